import pytest

from ally_fast.experiments.arm import STRATEGIES, parse_arms
from ally_fast.strategies import ALLY, BALD, RandomSampling


def test_names_options_and_training():
    ally, plain, bald, constrained = parse_arms(
        "ally:k=50:radius=0.5:allocation=sqrt, random,bald:dropout=0.3,random:training=constrained"
    )
    assert ally.name == "ally:k=50:radius=0.5:allocation=sqrt"
    strategy = ally.make()
    assert isinstance(strategy, ALLY)
    assert (strategy.k, strategy.radius, strategy.allocation) == (50, 0.5, "sqrt")
    assert isinstance(plain.make(), RandomSampling)
    assert isinstance(bald.make(), BALD)
    assert bald.of_model == {"dropout": 0.3, "passes": 10}
    assert [arm.training for arm in (ally, plain, bald, constrained)] == [
        "constrained",
        "plain",
        "plain",
        "constrained",
    ]


def test_every_strategy_has_an_arm():
    arms = parse_arms(",".join(STRATEGIES))
    assert [arm.make().name for arm in arms] == [
        *("ALLY", "RandomSampling", "CoreSet", "BADGE", "EntropySampling", "MarginSampling"),
        *("ClusterMargin", "DropQuery", "MaxHerding", "UncertaintyHerding", "ALLYHerding"),
        *("GIST", "BALD", "LearningLoss", "DAL"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("randon", r"^strategies: got 'randon', needs one of ally, random"),
        ("", r"^strategies: got ''"),
        ("random,random", r"got 'random' twice, needs each arm once"),
        ("random:k=3", r"random got 'k=3', takes training=…"),
        ("ally:k", r"ally got 'k', takes training=…, start=…, k=…"),
        ("ally:k=many", r"'k=many', which is not a value of k"),
        ("ally:allocation=fair", r"which is not a value of allocation"),
        ("ally:training=plain", r"ally got training=plain, needs training=constrained"),
        (
            "ally_herding:training=plain",
            r"ally_herding got training=plain, needs training=constrained",
        ),
        ("max_herding:width=0", r"^width: got 0.0, needs a number above 0"),
        ("drop_query:candidates=0", r"^candidates: got 0"),
        ("drop_query:rate=1", r"'rate=1', which is not a value of rate"),
        ("drop_query:passes=0", r"'passes=0', which is not a value of passes"),
        ("max_herding:metric=dot", r"^metric: got 'dot'"),
        ("ally:k=0", r"^k: got 0, needs at least 1"),
        ("cluster_margin:k=1.5", r"^k: got 1.5, needs an integer, or a share of b"),
        ("margin:scores=random", r"margin got 'scores=random', takes training=…, start=…"),
        ("ally:scores=best", r"'scores=best', which is not a value of scores"),
        ("ally:heads=0", r"'heads=0', which is not a value of heads"),
        ("ally:scores=margin:heads=5", r"ally got heads=5, but scores=margin uses no heads"),
        ("ally:start=best", r"'start=best', which is not a value of start"),
        ("dal:mini_queries=0", r"^mini_queries: got 0"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        parse_arms(text)


def test_shares_scores_and_starts():
    share, count, scored = parse_arms("cluster_margin:k=0.5,ally:k=7,ally:scores=random")
    assert (share.make().k, count.make().k) == (0.5, 7)
    assert (count.scores, count.training) == ("duals", "constrained")
    assert (scored.scores, scored.training) == ("random", "plain")
    (margin,) = parse_arms("ally:scores=margin")
    assert margin.classification
    assert margin.training == "plain"
    assert not scored.classification
    (both,) = parse_arms("ally:scores=random:training=constrained:start=typical")
    assert (both.scores, both.training, both.start) == ("random", "constrained", "typical")


def test_each_start_of_each_arm():
    names = [arm.name for arm in parse_arms("random,margin", "random,typical")]
    assert names == ["random", "margin", "random:start=typical", "margin:start=typical"]
    arms = parse_arms("random,margin:start=typical", "typical")
    assert [(arm.name, arm.start) for arm in arms] == [
        ("random:start=typical", "typical"),
        ("margin:start=typical", "typical"),
    ]


@pytest.mark.parametrize("starts", ["", "best", "random,random"])
def test_starts_that_are_none(starts):
    with pytest.raises(
        ValueError, match=r"^start: got .*, needs one or more of random, typical, each once$"
    ):
        parse_arms("random", starts)

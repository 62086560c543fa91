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
        *("ClusterMargin", "BALD", "LearningLoss", "DAL"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("randon", r"^strategies: got 'randon', needs some of ally, random"),
        ("", r"^strategies: got ''"),
        ("random,random", r"'random' is there twice"),
        ("random:k=3", r"random got 'k=3', takes training=…"),
        ("ally:k", r"ally got 'k', takes training=…, start=…, k=…"),
        ("ally:k=many", r"'k=many': not a value of k"),
        ("ally:allocation=fair", r"not a value of allocation"),
        ("ally:training=plain", r"ally needs multipliers"),
        ("ally:k=0", r"^k: got 0, needs at least 1"),
        ("dal:mini_queries=0", r"^mini_queries: got 0"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        parse_arms(text)

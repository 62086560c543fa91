"""The loss-prediction module and the ranking loss it is trained with."""

import pytest

torch = pytest.importorskip("torch")
loss_module = pytest.importorskip("ally_fast.strategies.loss_module")


def plain_ranking_loss(predicted, losses, margin):
    m, terms = len(predicted), []
    for i in range(m // 2):
        j = m - 1 - i
        sign = (losses[i] > losses[j]) - (losses[i] < losses[j])
        terms.append(max(0.0, margin - sign * (predicted[i] - predicted[j])))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("m", [2, 3, 8, 9], ids="m={}".format)
def test_ranking_loss(m):
    generator = torch.Generator().manual_seed(m)
    predicted, losses = torch.randn(2, m, generator=generator, dtype=torch.float64)
    losses[-1] = losses[0]  # a tie costs the margin
    found = loss_module.ranking_loss(predicted, losses, 0.7)
    assert float(found) == pytest.approx(
        plain_ranking_loss(predicted.tolist(), losses.tolist(), 0.7)
    )


def test_losses_are_targets():
    predicted = torch.zeros(4, requires_grad=True)
    losses = torch.arange(4.0, requires_grad=True)
    loss_module.ranking_loss(predicted, losses).backward()
    assert losses.grad is None
    assert predicted.grad.abs().sum() > 0


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((1,), (1,)), ((2, 1), (2, 1))], ids=str)
def test_shapes_that_cannot_be_ranked(shapes):
    with pytest.raises(ValueError, match="predicted, losses: got shapes"):
        loss_module.ranking_loss(*(torch.zeros(shape) for shape in shapes))


def test_reads_every_block():
    torch.manual_seed(0)
    module = loss_module.LossModule([3, 5], width=4)
    features = [torch.randn(6, 3, 8, 8), torch.randn(6, 5)]
    whole = module(features)
    assert whole.shape == (6,)
    for block in (0, 1):
        changed = list(features)
        changed[block] = features[block] + 1
        assert not torch.equal(module(changed), whole)
    averaged = module([features[0].mean((2, 3)), features[1]])
    torch.testing.assert_close(averaged, whole)
    with pytest.raises(ValueError, match="features: got 1 blocks, needs 2"):
        module(features[:1])


def test_learns_an_order():
    torch.manual_seed(0)
    module = loss_module.LossModule([4])
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    features = torch.randn(64, 4)
    losses = features[:, 0].exp()
    for _ in range(100):
        order = torch.randperm(64)
        loss = loss_module.ranking_loss(module([features[order]]), losses[order])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    predicted = module([features]).detach()
    ranks = torch.stack([x.argsort().argsort().double() for x in (predicted, losses)])
    assert float(torch.corrcoef(ranks)[0, 1]) > 0.95

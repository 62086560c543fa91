"""Inside a Lightning module, and round a Hugging Face model; the real ones where installed."""

import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from ally_fast.primal_dual import DualVariables, PrimalDualTrainer


def lightning_module(base):
    """Return a module that trains on the Lagrangian and saves its multipliers."""

    class Module(base):
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Linear(4, 2)
            self.duals = DualVariables(32, epsilon=0.3, lr=0.5)

        def training_step(self, batch, batch_idx):
            inputs, targets, ids = batch
            return self.duals.lagrangian(self.net(inputs), targets, ids)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

        def on_save_checkpoint(self, checkpoint):
            checkpoint["duals"] = self.duals.state_dict()

        def on_load_checkpoint(self, checkpoint):
            self.duals.load_state_dict(checkpoint["duals"])

    return Module()


@pytest.fixture
def loader():
    inputs = torch.randn((32, 4), generator=torch.Generator().manual_seed(0))
    rows = torch.utils.data.TensorDataset(inputs, (inputs[:, 0] > 0).long(), torch.arange(32))
    return torch.utils.data.DataLoader(rows, batch_size=8)


def test_a_module_in_the_style_of_lightning(loader):
    """What Lightning's loop does with the hooks, in six lines."""
    module = lightning_module(torch.nn.Module)
    optimizer = module.configure_optimizers()
    for _ in range(3):
        for i, batch in enumerate(loader):
            optimizer.zero_grad()
            module.training_step(batch, i).backward()
            optimizer.step()
    assert module.duals.multipliers.any()
    checkpoint = {}
    module.on_save_checkpoint(checkpoint)
    other = lightning_module(torch.nn.Module)
    other.on_load_checkpoint(checkpoint)
    assert torch.equal(other.duals.multipliers, module.duals.multipliers)


def test_lightning(loader, tmp_path):
    lightning = pytest.importorskip("lightning", reason="needs lightning")
    module = lightning_module(lightning.LightningModule)
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, default_root_dir=tmp_path
    )
    trainer.fit(module, loader)
    assert module.duals.multipliers.any()


def test_transformers():
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    model = transformers.BertForSequenceClassification(config)
    tokens = torch.randint(20, (24, 6), generator=torch.Generator().manual_seed(0))
    samples = [{"input_ids": row, "labels": row[0] % 2} for row in tokens]
    trainer = PrimalDualTrainer(epsilon=0.3, max_epochs=2, embedding_layer="bert.pooler")
    trained = trainer.fit(model, torch.utils.data.DataLoader(samples))
    assert trained.embed(torch.utils.data.DataLoader(samples)).shape == (24, 8)

"""Saves what this version writes, for later ones to read: `python -m tests.artefacts.write`."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import torch

import ally_fast
from ally_fast.cli import main
from ally_fast.primal_dual import PrimalDualTrainer

FOLDER = Path(__file__).parent
N, D, B, K = 200, 4, 20, 5
SHARDS = 2
POOL = ["pool", "--column", "emb", "--ids", ":id", "--quiet"]
SCORES = ["--scores", "duals.parquet:score@id", "-b", str(B), "-k", str(K)]
BATCHES = ["batch.csv", "batch.parquet", "batch.json", "batch.jsonl", "batch.txt", "batch.npy"]


def training_run():
    """Return a trainer, a model and a labeled set: those of the checkpoint."""
    inputs = np.random.default_rng(1).normal(size=(40, D)).astype(np.float32)
    trainer = PrimalDualTrainer(
        epsilon=0.2, max_epochs=3, batch_size=16, embedding_layer="0", seed=3
    )
    model = torch.nn.Sequential(torch.nn.Linear(D, 3), torch.nn.Linear(3, 2))
    return trainer, model, (inputs, (inputs[:, 0] > 0).astype(np.int64))


def write(folder):
    """Write everything into a new folder."""
    folder.mkdir()
    os.chdir(folder)
    rng = np.random.default_rng(0)
    emb, ids = rng.normal(size=(N, D)).astype(np.float32), [f"r{i:03}" for i in range(N)]
    table = pa.table({"id": ids, "emb": pa.FixedSizeListArray.from_arrays(emb.ravel(), D)})
    Path("pool").mkdir()
    for part in range(SHARDS):
        rows = table.slice(part * N // SHARDS, N // SHARDS)
        pyarrow.parquet.write_table(rows, f"pool/part-{part}.parquet")
    scores = pa.table({"id": ids, "score": rng.random(N)})
    pyarrow.parquet.write_table(scores.take(rng.permutation(N)), "duals.parquet")

    centroids = ["--save-centroids", "centroids.npy"]
    job = ["--job", "job"]
    for path in BATCHES:
        more = [*centroids, *job] if path == BATCHES[0] else ["--centroids", "centroids.npy"]
        if main(["select", *POOL, *SCORES, "--radius", "0.01", "-o", path, *more]):
            raise RuntimeError(path)
    trainer, model, data = training_run()
    trained = trainer.fit(model, data, checkpoint="run.pt")
    np.save("multipliers.npy", np.asarray(trained.multipliers))


if __name__ == "__main__":
    write(FOLDER / ally_fast.__version__)

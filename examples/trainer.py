"""From a labeled set to a batch: primal-dual training, dual head, scores, selection.

Labels 100 of 1,797 handwritten digits to begin with, and chooses 50 more. Needs torch and
scikit-learn.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits

import ally_fast
from ally_fast.primal_dual import DualHead, PrimalDualTrainer


def main():
    images, digits = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    labeled = np.random.default_rng(0).choice(len(images), 100, replace=False)

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    trainer = PrimalDualTrainer(epsilon=0.2, embedding_layer="1", progress=True)
    trained = trainer.fit(model, (images[labeled], digits[labeled]))
    kept = trained.history[trained.epoch - 1]
    print(
        f"epoch {trained.epoch} of {len(trained.history)} kept: validation loss "
        f"{kept.validation_loss:.3f}, {kept.active_share:.0%} of the constraints active"
    )

    embeddings = trained.embed(images)
    head = DualHead().fit(embeddings[labeled[trained.positions]], trained.multipliers)
    report = head.fit_report
    print(
        f"dual head: rank correlation {report.rank_correlation:.2f} on {report.held_out_rows} "
        "rows held out"
    )

    batch = ally_fast.select(embeddings, head.score(embeddings), 50, 10, exclude=labeled)
    print(f"label next: {batch[:10]} ...")


if __name__ == "__main__":
    main()

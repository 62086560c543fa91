"""A full round with a strategy: a labeled set and a model in, a batch of pool rows out.

Labels 100 of 1,797 handwritten digits to begin with; ALLY and BADGE each choose 50 more. Needs
torch and scikit-learn.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits

from ally_fast.primal_dual import PrimalDualTrainer
from ally_fast.strategies import ALLY, BADGE, Context


def main():
    images, digits = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    labeled = np.random.default_rng(0).choice(len(images), 100, replace=False)

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    trainer = PrimalDualTrainer(epsilon=0.2, embedding_layer="1")
    trained = trainer.fit(model, (images[labeled], digits[labeled]))

    embeddings = trained.embed(images)
    with torch.no_grad():
        probabilities = model(torch.from_numpy(images)).softmax(1)
    context = Context(
        embeddings=embeddings,
        exclude=labeled,  # rows that have a label already
        labeled_embeddings=embeddings[labeled[trained.positions]],
        multipliers=trained.multipliers,
        probabilities=probabilities,
    )
    for strategy in (ALLY(k=10), BADGE()):
        batch = strategy.query(context, b=50)
        wrong = (probabilities[batch].argmax(1).numpy() != digits[batch]).mean()
        print(f"{strategy.name}: label next {batch[:8]} ...; the model errs on {wrong:.0%} of them")


if __name__ == "__main__":
    main()

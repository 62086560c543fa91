"""Digits that a model would learn most from, made by gradient ascent: the paper's figure 4.

    python examples/generate_digits.py -o docs/figures/generated_digits.png

Trains on a tenth of MNIST, which is looked for in ALLY_FAST_DATA/mnist, or downloaded (extra
`experiments`); then changes digits of low predicted multiplier, one of each kind, until it is high.
"""

import argparse

import numpy as np
import torch

from ally_fast.experiments.datasets import load_dataset
from ally_fast.files import whole_file
from ally_fast.generate import generate
from ally_fast.primal_dual import DualHead, PrimalDualTrainer
from ally_fast.report import draw_generation, save_figure


def entropy(probabilities):
    return -(probabilities * np.log(np.maximum(probabilities, 1e-30))).sum(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", "--output", default="generated_digits.png")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    data = load_dataset("mnist")
    images = (data.inputs / 255).astype(np.float32)
    order = np.random.default_rng(arguments.seed).permutation(len(images))
    labeled, rest = order[: len(images) // 10], order[len(images) // 10 :]

    torch.manual_seed(arguments.seed)
    layers = [torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 256)]
    model = torch.nn.Sequential(*layers, torch.nn.ReLU(), torch.nn.Linear(256, 10))
    trainer = PrimalDualTrainer(epsilon=0.2, embedding_layer="3", seed=arguments.seed)
    trained = trainer.fit(model, (images[labeled], data.targets[labeled]))
    embeddings = trained.embed(images)
    head = DualHead(seed=arguments.seed).fit(
        embeddings[labeled[trained.positions]], trained.multipliers
    )
    print(
        f"epoch {trained.epoch} of {len(trained.history)} kept; head's rank correlation on rows "
        f"held out: {head.fit_report.rank_correlation:.2f}"
    )

    # Of each digit one image that the head finds uninformative: the lowest prediction of 200.
    starts = []
    with torch.no_grad():
        for digit in range(10):
            some = rest[data.targets[rest] == digit][:200]
            starts.append(some[head.predict(torch.from_numpy(embeddings[some])).argmin()])
    found = generate(
        model,
        head,
        images[starts],
        steps=arguments.steps,
        lr=arguments.lr,
        bounds=(0, 1),
        embedding_layer="3",
    )
    with torch.no_grad():
        ends = [
            model(torch.from_numpy(frame)).softmax(1).numpy() for frame in found.frames[[0, -1]]
        ]
    print("digit  multiplier        entropy (nats)  predicted first and last, with probability")
    for column, digit in enumerate(data.targets[starts]):
        says = [f"{p[column].argmax()} ({p[column].max():.2f})" for p in ends]
        uncertain = [f"{entropy(p)[column]:.2f}" for p in ends]
        multipliers = "{:.3f} to {:.3f}".format(*found.multipliers[[0, -1], column])
        print(f"{digit:<6} {multipliers:<17} {' to '.join(uncertain):<15} {', '.join(says)}")

    title = "MNIST digits changed to raise their predicted multiplier (below each)"
    figure = draw_generation(found.frames, found.multipliers, shape=(28, 28), title=title)
    with whole_file(arguments.output, force=True) as file:
        save_figure(figure, file, ".png")
    print(f"written: {arguments.output}")


if __name__ == "__main__":
    main()

"""Multipliers in a training loop of one's own: three lines, marked.

Trains on 200 of 1,797 handwritten digits and says which of them constrain the model most. Needs
torch and scikit-learn.
"""

import torch
from sklearn.datasets import load_digits

from ally_fast.primal_dual import DualVariables


def main():
    images, digits = load_digits(return_X_y=True)
    inputs = torch.tensor(images[:200] / 16, dtype=torch.float32)
    targets = torch.tensor(digits[:200])

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), 0.005)
    duals = DualVariables(len(inputs), epsilon=0.2, lr=0.05)  # 1

    for _ in range(100):
        for ids in torch.randperm(len(inputs)).split(50):
            loss = duals.lagrangian(model(inputs[ids]), targets[ids], ids)  # 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    multipliers = duals.multipliers  # 3
    print(f"{(multipliers > 0).sum()} of {len(duals)} constraints are active")
    for i in multipliers.argsort(descending=True)[:5].tolist():
        print(f"sample {i}, a {targets[i]}: multiplier {multipliers[i]:.3f}")


if __name__ == "__main__":
    main()

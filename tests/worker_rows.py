"""A dataset that workers of any start method can import, and what they write of themselves."""

import multiprocessing
import os

import torch


class Rows(torch.utils.data.Dataset):
    """Samples (input, target); each knows whether a worker read it."""

    def __init__(self, n=30):
        generator = torch.Generator().manual_seed(0)
        self.inputs = torch.randn((n, 4), generator=generator)
        self.targets = (self.inputs[:, 0] > 0).long()

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, i):
        return self.inputs[i], self.targets[i]


class Draws(Rows):
    """Samples with noise from the worker's own generator."""

    def __getitem__(self, i):
        return self.inputs[i] + torch.randn(4), self.targets[i]


class Register:
    """A line a worker: its process, how that was started, and what torch draws there first."""

    def __init__(self, path):
        self.path = str(path)

    def __call__(self, worker):
        name = type(multiprocessing.current_process()).__name__
        with open(self.path, "a") as file:
            file.write(f"{os.getpid()} {name} {torch.initial_seed()}\n")

    def lines(self):
        with open(self.path) as file:
            return [line.split() for line in file]


def tripled(samples):
    """Collate, with inputs three times as large."""
    inputs, targets = torch.utils.data.default_collate(samples)
    return 3 * inputs, targets

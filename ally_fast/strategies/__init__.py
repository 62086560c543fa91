"""Batch active-learning strategies: a context in, a batch of pool indices out."""

from ally_fast.strategies.ally import ALLY
from ally_fast.strategies.badge import BADGE
from ally_fast.strategies.bald import BALD
from ally_fast.strategies.contract import Context, Strategy
from ally_fast.strategies.core_set import CoreSet
from ally_fast.strategies.dal import DAL
from ally_fast.strategies.entropy import EntropySampling
from ally_fast.strategies.learning_loss import LearningLoss
from ally_fast.strategies.margin import MarginSampling
from ally_fast.strategies.random_sampling import RandomSampling

__all__ = [
    "ALLY",
    "BADGE",
    "BALD",
    "DAL",
    "Context",
    "CoreSet",
    "EntropySampling",
    "LearningLoss",
    "MarginSampling",
    "RandomSampling",
    "Strategy",
]

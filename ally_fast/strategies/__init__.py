"""Batch active-learning strategies: you give a context, and get a batch of pool indices."""

from ally_fast.strategies.ally import ALLY
from ally_fast.strategies.ally_herding import ALLYHerding
from ally_fast.strategies.badge import BADGE
from ally_fast.strategies.bald import BALD
from ally_fast.strategies.cluster_margin import ClusterMargin
from ally_fast.strategies.contract import Context, Strategy
from ally_fast.strategies.core_set import CoreSet
from ally_fast.strategies.dal import DAL
from ally_fast.strategies.drop_query import DropQuery
from ally_fast.strategies.dropout_passes import dropout_passes
from ally_fast.strategies.entropy import EntropySampling
from ally_fast.strategies.gist import GIST
from ally_fast.strategies.learning_loss import LearningLoss
from ally_fast.strategies.margin import MarginSampling
from ally_fast.strategies.max_herding import MaxHerding
from ally_fast.strategies.random_sampling import RandomSampling
from ally_fast.strategies.typical_start import TypicalStart
from ally_fast.strategies.uncertainty_herding import UncertaintyHerding
from ally_fast.strategies.weak_head import WeakHeadWarning

__all__ = [
    "ALLY",
    "BADGE",
    "BALD",
    "DAL",
    "GIST",
    "ALLYHerding",
    "ClusterMargin",
    "Context",
    "CoreSet",
    "DropQuery",
    "EntropySampling",
    "LearningLoss",
    "MarginSampling",
    "MaxHerding",
    "RandomSampling",
    "Strategy",
    "TypicalStart",
    "UncertaintyHerding",
    "WeakHeadWarning",
    "dropout_passes",
]

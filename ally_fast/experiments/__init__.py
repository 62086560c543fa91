"""Run the outer loop of active learning on real data: train, choose, label, repeat.

The command `ally-fast experiment` runs it. Needs torch.
"""

from ally_fast.experiments.arm import Arm, parse_arms
from ally_fast.experiments.protocol import Protocol
from ally_fast.experiments.round_rows import RoundRow, load_rounds

__all__ = ["Arm", "Protocol", "RoundRow", "load_rounds", "parse_arms"]

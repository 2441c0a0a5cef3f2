"""From signals to one number: gates, weights, shaping."""

from worker.reward.combine import Reward, SignalMissingError, blank, combine, failure

__all__ = ["Reward", "SignalMissingError", "blank", "combine", "failure"]

"""`execution`: 1 when the code ran to its end and drew a figure, 0 when only a partial figure was saved from it.

Items that failed outright never reach a signal; their reward is the profile's for that failure.
"""

from __future__ import annotations

from chartreward.models import SignalResult
from chartreward.profiles.options import NoOptions
from worker.similarity.chart import Chart
from worker.similarity.signal import Signal


def compare(generated: Chart, reference: Chart, options: NoOptions) -> SignalResult:
    """Whether the generated code ran to its end."""
    return SignalResult(value=1.0 if generated.complete else 0.0)


SIGNAL = Signal("execution", compare)

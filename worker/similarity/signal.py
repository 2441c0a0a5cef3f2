"""What a signal is, and the arithmetic that several of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chartreward.models import SignalResult, Strict
from worker.similarity.chart import Chart
from worker.vision import FeatureSpec


def no_features(_options: Any, _reference: Chart) -> tuple[FeatureSpec, ...]:
    """For signals that read no backbone."""
    return ()


@dataclass(frozen=True, slots=True)
class Signal:
    """A named comparison of two charts.

    `compute(generated, reference, options)` is pure and returns a value in [0, 1], or `unavailable` when the reference
    cannot give it. `features` names what must lie in both charts' `features` before it is called.
    """

    name: str
    compute: Callable[[Chart, Chart, Any], SignalResult]
    features: Callable[[Any, Chart], tuple[FeatureSpec, ...]] = no_features

    def __call__(self, generated: Chart, reference: Chart, options: Strict) -> SignalResult:
        """Compare."""
        return self.compute(generated, reference, options)


def unavailable(reason: str) -> SignalResult:
    """The result of a signal that this reference cannot give."""
    return SignalResult(value=None, unavailable=reason)


def unit(value: float) -> float:
    """Clip rounding noise: into [0, 1]."""
    return min(1.0, max(0.0, float(value)))


def f1_result(
    matched: float, generated: float, reference: float, *, beta: float = 1.0, **evidence: Any
) -> SignalResult:
    """Precision, recall and F1 of a (possibly soft) match count against two totals; the value is F_beta.

    P = matched/generated, R = matched/reference, F_beta = (1+beta²)PR / (beta²P+R) =
    (1+beta²) matched / (generated + beta² reference); `beta` below 1 weighs precision more. Both sides empty: nothing
    was asked for and nothing is there, so 1. One side empty: 0.
    """
    if generated == 0 and reference == 0:
        return SignalResult(value=1.0, precision=1.0, recall=1.0, f1=1.0, matched=0, generated=0, reference=0)
    precision = unit(matched / generated) if generated else 0.0
    recall = unit(matched / reference) if reference else 0.0
    f1 = unit(2 * matched / (generated + reference))
    weight = beta * beta
    return SignalResult(
        value=unit((1 + weight) * matched / (generated + weight * reference)),
        precision=precision,
        recall=recall,
        f1=f1,
        matched=round(matched),
        generated=round(generated),
        reference=round(reference),
        evidence=evidence or None,
    )

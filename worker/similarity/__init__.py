"""Similarity of two charts: one module a signal, each a pure function of (generated, reference, options)."""

from __future__ import annotations

from collections.abc import Iterable

from worker.similarity import attributes
from worker.similarity.chart import Chart
from worker.similarity.signal import Signal
from worker.similarity.visual import visual_signal

SIGNALS: dict[str, Signal] = {
    signal.name: signal
    for signal in [
        attributes.SIGNAL,
    ]
}

__all__ = ["SIGNALS", "Chart", "Signal", "available_signals"]


def available_signals(backbones: Iterable[str]) -> dict[str, Signal]:
    """Every registered signal, and `visual.<backbone>` for the loaded backbones."""
    return SIGNALS | {signal.name: signal for signal in map(visual_signal, backbones)}

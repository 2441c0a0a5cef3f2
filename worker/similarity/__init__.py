"""Similarity of two charts: one module a signal, each a pure function of (generated, reference, options)."""

from __future__ import annotations

from collections.abc import Iterable

from worker.similarity import (
    attributes,
    axes,
    chart_type,
    chartmimic,
    code,
    color,
    data,
    execution,
    grid,
    layout,
    legend,
    ssim,
    style,
    text,
)
from worker.similarity.chart import Chart
from worker.similarity.signal import Signal
from worker.similarity.visual import visual_signal

SIGNALS: dict[str, Signal] = {
    signal.name: signal
    for signal in [
        execution.SIGNAL,
        attributes.SIGNAL,
        *text.SIGNALS,
        layout.SIGNAL,
        color.SIGNAL,
        chart_type.SIGNAL,
        data.SIGNAL,
        legend.SIGNAL,
        grid.SIGNAL,
        axes.SIGNAL,
        style.SIGNAL,
        code.SIGNAL,
        ssim.SIGNAL,
        *chartmimic.SIGNALS,
    ]
}

__all__ = ["SIGNALS", "Chart", "Signal", "available_signals"]


def available_signals(backbones: Iterable[str]) -> dict[str, Signal]:
    """Every registered signal, and `visual.<backbone>` for the loaded backbones."""
    return SIGNALS | {signal.name: signal for signal in map(visual_signal, backbones)}

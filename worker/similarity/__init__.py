"""Similarity of two charts: one module a signal, each a pure function of (generated, reference, options)."""

from __future__ import annotations

from collections.abc import Iterable

from worker.settings import JudgeSettings
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
    plot2code,
    ssim,
    style,
    text,
)
from worker.similarity.chart import Chart
from worker.similarity.judge import judge_signal
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
        plot2code.SIGNAL,
    ]
}

__all__ = ["SIGNALS", "Chart", "Signal", "available_signals"]


def available_signals(backbones: Iterable[str], judge: JudgeSettings | None = None) -> dict[str, Signal]:
    """Every registered signal, `visual.<backbone>` for the loaded backbones, and `judge` where one is configured."""
    found = [visual_signal(backbone) for backbone in backbones]
    if judge is not None:
        found.append(judge_signal(judge))
    return SIGNALS | {signal.name: signal for signal in found}

"""Similarity of two charts: one module a signal, each a pure function of (generated, reference, options)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

from worker.settings import JudgeSettings
from worker.similarity.chart import Chart
from worker.similarity.judge import judge_signal
from worker.similarity.signal import Signal
from worker.similarity.visual import visual_signal

# Each has a SIGNAL or SIGNALS: a new signal is one line here.
MODULES = (
    "execution",
    "attributes",
    "text",
    "layout",
    "color",
    "chart_type",
    "data",
    "legend",
    "grid",
    "axes",
    "style",
    "code",
    "ssim",
    "chartmimic",
    "plot2code",
)


def _signals(name: str) -> Sequence[Signal]:
    module: Any = import_module(f"{__name__}.{name}")
    found: Sequence[Signal] = getattr(module, "SIGNALS", None) or [module.SIGNAL]
    return found


SIGNALS: dict[str, Signal] = {signal.name: signal for name in MODULES for signal in _signals(name)}

__all__ = ["SIGNALS", "Chart", "Signal", "available_signals"]


def available_signals(backbones: Iterable[str], judge: JudgeSettings | None = None) -> dict[str, Signal]:
    """Every registered signal, `visual.<backbone>` for the loaded backbones, and `judge` where one is configured."""
    found = [visual_signal(backbone) for backbone in backbones]
    if judge is not None:
        found.append(judge_signal(judge))
    return SIGNALS | {signal.name: signal for signal in found}

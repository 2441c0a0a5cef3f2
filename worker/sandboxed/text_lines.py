"""The lines of text a figure draws once its x and y ticks are removed, as ChartMimic's text metric counts them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from matplotlib.backends.backend_agg import RendererAgg

MAX_LINES = 20_000
MAX_LENGTH = 4000
PDF_DPI = 72.0  # the original counts calls of the PDF renderer's draw_text; that renderer always has 72 dots an inch


class LineRecorder(RendererAgg):  # type: ignore[misc]  # matplotlib is untyped here
    """Measures text like any renderer, draws nothing, and keeps each drawn line of text."""

    def __init__(self) -> None:
        super().__init__(8, 8, PDF_DPI)
        self.lines: list[str] = []
        for name in dir(self):
            if name.startswith("draw_") and name != "draw_text":
                setattr(self, name, _nothing)

    def draw_text(self, gc: Any, x: float, y: float, s: str, *rest: Any, **more: Any) -> None:
        if len(self.lines) < MAX_LINES:
            self.lines.append(str(s)[:MAX_LENGTH])


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


def read(figure: Any) -> list[str]:
    """One item a drawn line, in drawn order; ticks are put back. Empty when drawing fails, as in the original."""
    recorder = LineRecorder()
    dpi = figure.dpi
    figure._set_dpi(PDF_DPI, forward=False)
    try:
        with _without_ticks(figure):
            figure.draw(recorder)
    except Exception:
        return []
    finally:
        figure._set_dpi(dpi, forward=False)
    return recorder.lines


@contextlib.contextmanager
def _without_ticks(figure: Any) -> Iterator[None]:
    kept = []
    for axes in figure.get_axes():
        for axis in (axes.xaxis, axes.yaxis):
            kept.append((axis, axis.major, axis.major.locator, axis.isDefault_majloc, axis.get_view_interval().copy()))
    try:
        for axes in figure.get_axes():
            axes.set_xticks([])
            axes.set_yticks([])
        yield
    finally:
        for axis, ticker, locator, default, interval in kept:
            ticker.locator = locator
            axis.isDefault_majloc = default
            if ticker.formatter is not None:
                ticker.formatter._set_locator(locator)
            axis.set_view_interval(*interval, ignore=True)

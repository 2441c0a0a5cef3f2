"""Small charts made by hand, for tests whose numbers can be worked out on paper."""

from __future__ import annotations

from typing import Any

import numpy as np

from chartreward.description import Axes, Axis, Call, ChartDescription, GridCell, Legend, LegendEntry, Mark, Text
from worker.similarity import Chart

WIDTH, HEIGHT = 400, 300
FULL = (50.0, 30.0, 350.0, 270.0)


def axes(
    box: tuple[float, float, float, float] = FULL, cell: tuple[int, ...] = (1, 1, 0, 0, 0, 0), **more: Any
) -> Axes:
    names = ("nrows", "ncols", "row_start", "row_end", "col_start", "col_end")
    sides = {"x": Axis(limits=(0, 10)), "y": Axis(limits=(0, 100))}
    return Axes(box=box, cell=GridCell(**dict(zip(names, cell, strict=True))), **(sides | more))


def text(
    string: str, role: Any = "title", box: tuple[float, float, float, float] = (150, 5, 250, 25), **more: Any
) -> Text:
    return Text(string=string, role=role, box=box, size=10, color="#000000", **more)


def mark(kind: Any = "bar", colors: tuple[str, ...] = ("#1f77b4",), **more: Any) -> Mark:
    defaults: dict[str, Any] = {"axes": 0, "box": FULL, "count": 1}
    return Mark(kind=kind, colors=list(colors), **(defaults | more))


def bars(heights: list[float], **more: Any) -> Mark:
    data = {"x": [float(i) for i in range(len(heights))], "height": heights, "base": [0.0] * len(heights)}
    return mark("bar", data=data, orientation="vertical", **({"count": len(heights)} | more))


def chart(
    *,
    marks: list[Mark] | None = None,
    texts: list[Text] | None = None,
    plots: list[Axes] | None = None,
    legend: list[tuple[str, str]] | None = None,
    calls: list[tuple[str, list[str]]] | None = None,
    lines: list[str] | None = None,
    code: str = "",
    pixels: np.ndarray | None = None,
) -> Chart:
    entries = [LegendEntry(label=label, color=color) for label, color in legend or []]
    description = ChartDescription(
        width=WIDTH,
        height=HEIGHT,
        figsize=(4, 3),
        axes=[axes()] if plots is None else plots,
        texts=texts or [],
        marks=marks or [],
        legends=[Legend(box=(300, 40, 340, 80), entries=entries)] if entries else [],
        calls=None if calls is None else [Call(name=name, colors=colors) for name, colors in calls],
        text_lines=lines,
    )
    if pixels is None:
        pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    return Chart(pixels, description, code)


def picture(pixels: np.ndarray) -> Chart:
    """A reference given as an image: no description."""
    return Chart(pixels, None)

"""Reads a drawn figure: axes, texts, marks, legends, in pixels of the picture. Runs inside the jail."""

from __future__ import annotations

from typing import Any

import numpy as np
from describe_marks import MarkReader
from describe_texts import TextReader, axis_shown
from describe_values import hexes, number, one_hex, over
from matplotlib.axes._secondary_axes import SecondaryAxis
from matplotlib.colors import to_rgba
from matplotlib.legend import Legend

MAX_TICKS = 1000
MAX_ENTRIES = 1000
MAX_LEGENDS = 2000
MAX_CELLS = 10_000


class Reader(TextReader, MarkReader):
    """Turns the artists of one drawn figure into the lists of chartreward.description."""

    def read_axes(self) -> list[dict[str, Any]]:
        """All axes in figure order."""
        return [self.one_axes(axes) for axes in self.axes]

    def one_axes(self, axes: Any) -> dict[str, Any]:
        second = isinstance(axes, SecondaryAxis)  # an axis that lies on other axes as a twin does, without an area
        box = self.box((axes._parent if second else axes).bbox) or (0.0, 0.0, 0.0, 0.0)
        projection = str(getattr(axes, "name", "rectilinear"))[:40]
        described: dict[str, Any] = {
            "box": box,
            "cell": self.cell(axes),
            "projection": projection,
            "title": "\n".join(t.get_text() for t in (axes._left_title, axes.title, axes._right_title) if t.get_text())[
                :4000
            ],
            "x": self.axis(axes, "x"),
            "y": self.axis(axes, "y"),
            "z": self.axis(axes, "z") if projection == "3d" else None,
            "facecolor": over(axes.get_facecolor(), over(self.figure.get_facecolor(), "#ffffff")),
            "frame": bool(getattr(axes, "_frameon", True)),
            "colorbar": hasattr(axes, "_colorbar"),
            "twin": None,
            "visible": bool(axes.get_visible()) and self.inside(box),
        }
        for other in self.axes[: self.index[id(axes)]]:
            if axes._parent is other if second else axes in axes._twinned_axes.get_siblings(other):
                described["twin"] = self.index[id(other)]
                break
        return described

    def cell(self, axes: Any) -> dict[str, int] | None:
        """The grid cell of a subplot."""
        spec = axes.get_subplotspec()
        if spec is None:
            return None
        rows, columns = spec.get_gridspec().get_geometry()
        if max(rows, columns) > MAX_CELLS:
            return None
        return {
            "nrows": rows,
            "ncols": columns,
            "row_start": spec.rowspan.start,
            "row_end": spec.rowspan.stop - 1,
            "col_start": spec.colspan.start,
            "col_end": spec.colspan.stop - 1,
        }

    def axis(self, axes: Any, letter: str) -> dict[str, Any]:
        """Limits, scale, ticks, label and grid of one axis."""
        axis = getattr(axes, f"{letter}axis")
        low, high = (number(side) for side in getattr(axes, f"get_{letter}lim")())
        ticks: list[float] = []
        labels: list[str] = []
        grid = False
        try:
            drawn = self.drawn_ticks(axis)
            ticks = [number(tick.get_loc()) for tick in drawn][:1000]
            labels = [tick.label1.get_text()[:200] for tick in drawn][:1000]
            grid = any(tick.gridline.get_visible() for tick in drawn)
        except Exception:
            self.truncated = True
        shown = bool(axis.get_visible()) and axis_shown(axes)
        return {
            "label": axis.label.get_text()[:4000],
            "limits": (low, high),
            "scale": str(axis.get_scale())[:40],
            "ticks": ticks,
            "ticklabels": labels,
            "grid": grid and shown,
            "visible": shown,
        }

    def legends(self) -> list[dict[str, Any]]:
        """Figure and axes legends with their entries."""
        found: list[tuple[int | None, Any]] = [(None, legend) for legend in self.figure.legends]
        for place, axes in enumerate(self.axes):
            ones = [axes.get_legend(), *(a for a in axes.artists if isinstance(a, Legend))]
            found += [(place, one) for one in ones if one is not None]
        return [self.legend(place, legend) for place, legend in found[:2000]]

    def legend(self, place: int | None, legend: Any) -> dict[str, Any]:
        box = self.extent(legend) or (0.0, 0.0, 0.0, 0.0)
        handles = list(getattr(legend, "legend_handles", getattr(legend, "legendHandles", [])))
        entries = []
        for order, text in enumerate(legend.get_texts()[:1000]):
            colors = self.paint(handles[order]) if order < len(handles) and handles[order] is not None else []
            entries.append({"label": text.get_text()[:4000], "color": colors[0] if colors else None})
        return {
            "axes": place,
            "box": box,
            "title": legend.get_title().get_text()[:4000],
            "entries": entries,
            "columns": int(getattr(legend, "_ncols", 1)),
            "frame": bool(legend.get_frame_on()),
            "visible": bool(legend.get_visible()) and self.inside(box),
        }

    def paint(self, artist: Any) -> list[str]:
        """Main colours of an artist."""
        for reader in ("get_facecolor", "get_color", "get_edgecolor"):
            if hasattr(artist, reader):
                try:
                    found = hexes(
                        [to_rgba(c) for c in np.atleast_2d(np.asarray(getattr(artist, reader)(), dtype=float))]
                    )
                except (TypeError, ValueError):
                    found = [one_hex(getattr(artist, reader)())]
                if found:
                    return found
        return []


def read(
    figure: Any, renderer: Any, *, left: float, top: float, width: int, height: int, tight: bool
) -> dict[str, Any]:
    """The description of a figure just drawn with `renderer`; see chartreward.description for its fields."""
    reader = Reader(figure, renderer, left=left, top=top, width=width, height=height)
    size = figure.get_size_inches()
    described = {
        "version": 1,
        "width": width,
        "height": height,
        "dpi": number(figure.dpi),
        "figsize": (number(size[0]), number(size[1])),
        "facecolor": over(figure.get_facecolor(), "#ffffff"),
        "tight": tight,
        "axes": reader.read_axes(),
        "texts": reader.texts(),
        "marks": reader.marks(),
        "legends": reader.legends(),
    }
    described["truncated"] = reader.truncated
    return described

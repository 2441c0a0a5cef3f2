"""Reads a drawn figure: axes, texts, marks, legends, in pixels of the picture. Runs inside the jail."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.collections import Collection, LineCollection, PathCollection, PolyCollection, QuadMesh
from matplotlib.colors import to_rgba
from matplotlib.container import BarContainer
from matplotlib.contour import ContourSet
from matplotlib.image import AxesImage
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Polygon, Rectangle, Wedge
from matplotlib.quiver import Quiver
from matplotlib.table import Table
from matplotlib.text import Annotation, Text

MAX_POINTS = 2000
MAX_TEXTS = 5000
MAX_MARKS = 5000
MAX_COLORS = 64


def number(value: Any) -> float:
    """A finite float; anything else is 0."""
    try:
        value = float(value)
    except (TypeError, ValueError):
        return 0.0
    return value if math.isfinite(value) else 0.0


def numbers(values: Any) -> list[float | None]:
    """At most MAX_POINTS floats, evenly taken; not-a-number is None."""
    try:
        flat = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan).ravel()
    except (TypeError, ValueError):
        return []
    if flat.size > MAX_POINTS:
        flat = flat[np.linspace(0, flat.size - 1, MAX_POINTS).astype(int)]
    return [one if math.isfinite(one) else None for one in flat.tolist()]


def hexes(colors: Any) -> list[str]:
    """Distinct `#rrggbb` of RGBA rows, in drawn order, fully transparent ones left out."""
    found: dict[str, None] = {}
    try:
        rows = np.atleast_2d(np.asarray(colors, dtype=float))
    except (TypeError, ValueError):
        return []
    if rows.size == 0:
        return []
    for row in rows[:2000]:
        if len(row) >= 3 and (len(row) < 4 or row[3] > 0):
            found["#" + "".join(f"{round(min(max(part, 0.0), 1.0) * 255):02x}" for part in row[:3])] = None
            if len(found) >= MAX_COLORS:
                break
    return list(found)


def one_hex(color: Any, default: str = "#000000") -> str:
    """`#rrggbb` of one matplotlib colour."""
    try:
        found = hexes([to_rgba(color)[:3]])
    except (TypeError, ValueError):
        return default
    return found[0] if found else default


def over(color: Any, ground: str) -> str:
    """`#rrggbb` of a colour laid over an opaque one."""
    try:
        *tints, alpha = to_rgba(color)
    except (TypeError, ValueError):
        return ground
    return one_hex([alpha * tint + (1 - alpha) * below for tint, below in zip(tints, to_rgba(ground), strict=False)])


class Reader:
    """Turns artists of one drawn figure into plain lists; `left`, `top` place the picture on the canvas."""

    def __init__(self, figure: Any, renderer: Any, left: float, top: float, width: int, height: int) -> None:
        self.figure, self.renderer = figure, renderer
        self.left, self.top, self.width, self.height = left, top, width, height
        self.canvas_height = figure.bbox.height
        self.truncated = False
        self.axes = [axes for axes in figure.get_axes()]
        self.index = {id(axes): place for place, axes in enumerate(self.axes)}

    def box(self, extent: Any) -> tuple[float, float, float, float] | None:
        """Picture box of a display-space Bbox; None when it is not finite."""
        sides = (
            extent.x0 - self.left,
            self.canvas_height - extent.y1 - self.top,
            extent.x1 - self.left,
            self.canvas_height - extent.y0 - self.top,
        )
        if not all(math.isfinite(side) for side in sides):
            return None
        return tuple(round(float(side), 2) for side in sides)

    def inside(self, box: tuple[float, float, float, float]) -> bool:
        """Whether any of the box is on the picture."""
        return box[2] > 0 and box[3] > 0 and box[0] < self.width and box[1] < self.height

    def extent(self, artist: Any) -> tuple[float, float, float, float] | None:
        try:
            return self.box(artist.get_window_extent(self.renderer))
        except Exception:
            return None

    # --- texts ---

    def texts(self) -> list[dict[str, Any]]:
        """Every piece of text with its role."""
        found: list[dict[str, Any]] = []
        figure = self.figure
        for role, name in (("suptitle", "_suptitle"), ("supxlabel", "_supxlabel"), ("supylabel", "_supylabel")):
            self.text(found, getattr(figure, name, None), role, None)
        named = {id(getattr(figure, name, None)) for name in ("_suptitle", "_supxlabel", "_supylabel")}
        for text in figure.texts:
            if id(text) not in named:
                self.text(found, text, "text", None)
        for legend in figure.legends:
            self.legend_texts(found, legend, None)
        for place, axes in enumerate(self.axes):
            if not axes.get_visible():
                continue
            for title in (axes.title, axes._left_title, axes._right_title):
                self.text(found, title, "title", place)
            if getattr(axes, "axison", True):
                for letter in "xyz":
                    self.axis_texts(found, getattr(axes, f"{letter}axis", None), letter, place)
            legend = axes.get_legend()
            for one in [legend, *(a for a in axes.artists if isinstance(a, Legend))]:
                self.legend_texts(found, one, place)
            for child in axes.get_children():
                if isinstance(child, Table):
                    for cell in child.get_celld().values():
                        self.text(found, cell.get_text(), "table", place)
            for text in axes.texts:
                self.text(found, text, "annotation" if isinstance(text, Annotation) else "text", place)
        return found

    def axis_texts(self, found: list[dict[str, Any]], axis: Any, letter: str, place: int) -> None:
        """Label, tick labels as drawn, and offset text of one axis."""
        if axis is None or not axis.get_visible():
            return
        self.text(found, axis.label, f"{letter}label", place)
        self.text(found, axis.offsetText, "offset", place)
        try:
            ticks = axis._update_ticks()
        except Exception:
            return
        for tick in ticks[:500]:
            for label in (tick.label1, tick.label2):
                self.text(found, label, f"{letter}tick", place)

    def legend_texts(self, found: list[dict[str, Any]], legend: Any, place: int | None) -> None:
        """Entries and title of one legend."""
        if legend is None or not legend.get_visible():
            return
        for text in legend.get_texts():
            self.text(found, text, "legend", place)
        self.text(found, legend.get_title(), "legend_title", place)

    def text(self, found: list[dict[str, Any]], text: Any, role: str, place: int | None) -> None:
        """Add one text when it is drawn at all."""
        if not isinstance(text, Text) or not text.get_visible():
            return
        string = text.get_text()
        if not string or not string.strip():
            return
        if len(found) >= MAX_TEXTS:
            self.truncated = True
            return
        box = self.extent(text) if not isinstance(text, Annotation) else self.annotation_extent(text)
        if box is None:
            return
        alpha = text.get_alpha()
        try:
            rgba = to_rgba(text.get_color())
        except (TypeError, ValueError):
            rgba = (0.0, 0.0, 0.0, 1.0)
        alpha = rgba[3] if alpha is None else number(alpha)
        size = number(text.get_fontsize())
        found.append(
            {
                "string": string[:4000],
                "role": role,
                "axes": place,
                "box": box,
                "size": size,
                "color": one_hex(rgba),
                "alpha": min(max(alpha, 0.0), 1.0),
                "rotation": number(text.get_rotation()),
                "weight": str(text.get_fontweight())[:40],
                "style": str(text.get_fontstyle())[:40],
                "family": str((text.get_fontfamily() or [""])[0])[:80],
                "visible": self.inside(box)
                and alpha > 0.02
                and size > 1
                and box[2] - box[0] > 1
                and box[3] - box[1] > 1,
            }
        )

    def annotation_extent(self, text: Any) -> tuple[float, float, float, float] | None:
        """Box of an annotation's words, its arrow left out."""
        try:
            return self.box(Text.get_window_extent(text, self.renderer))
        except Exception:
            return None

    # --- axes ---

    def read_axes(self) -> list[dict[str, Any]]:
        """All axes in figure order."""
        return [self.one_axes(axes) for axes in self.axes]

    def one_axes(self, axes: Any) -> dict[str, Any]:
        box = self.box(axes.bbox) or (0.0, 0.0, 0.0, 0.0)
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
            if other is not axes and axes in axes._twinned_axes.get_siblings(other):
                described["twin"] = self.index[id(other)]
                break
        return described

    def cell(self, axes: Any) -> dict[str, int] | None:
        """The grid cell of a subplot."""
        spec = axes.get_subplotspec()
        if spec is None:
            return None
        rows, columns = spec.get_gridspec().get_geometry()
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
            drawn = axis._update_ticks()
            ticks = [number(tick.get_loc()) for tick in drawn][:1000]
            labels = [tick.label1.get_text()[:200] for tick in drawn][:1000]
            grid = any(tick.gridline.get_visible() for tick in drawn)
        except Exception:
            self.truncated = True
        shown = bool(axis.get_visible()) and bool(getattr(axes, "axison", True))
        return {
            "label": axis.label.get_text()[:4000],
            "limits": (low, high),
            "scale": str(axis.get_scale())[:40],
            "ticks": ticks,
            "ticklabels": labels,
            "grid": grid and shown,
            "visible": shown,
        }

    # --- legends ---

    def legends(self) -> list[dict[str, Any]]:
        """Figure and axes legends with their entries."""
        found = [(None, legend) for legend in self.figure.legends]
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

    # --- marks ---

    def marks(self) -> list[dict[str, Any]]:
        """Every series, axes by axes."""
        found: list[dict[str, Any]] = []
        for place, axes in enumerate(self.axes):
            if not axes.get_visible():
                continue
            taken: set[int] = set()
            for container in axes.containers:
                if isinstance(container, BarContainer) and len(container):
                    taken.update(id(patch) for patch in container)
                    self.add(found, self.bars(place, container))
            for artist in axes.get_children():
                if len(found) >= MAX_MARKS:
                    self.truncated = True
                    return found
                if id(artist) not in taken and artist not in (axes.patch,) and artist.get_visible():
                    self.add(found, self.mark(place, axes, artist))
        return found

    def add(self, found: list[dict[str, Any]], mark: dict[str, Any] | None) -> None:
        if mark is not None:
            found.append(mark)

    def base(self, kind: str, place: int, artist: Any, box: Any, **more: Any) -> dict[str, Any]:
        """Fields common to all marks."""
        alpha = artist.get_alpha() if hasattr(artist, "get_alpha") else None
        alpha = 1.0 if alpha is None else float(np.clip(np.nanmean(np.asarray(alpha, dtype=float)), 0, 1))
        label = str(artist.get_label())
        described = {
            "kind": kind,
            "axes": place,
            "box": box,
            "label": "" if label.startswith("_") else label[:4000],
            "alpha": number(alpha),
            "zorder": number(artist.get_zorder()) if hasattr(artist, "get_zorder") else 0.0,
            "visible": self.inside(box) and alpha > 0.02,
        }
        described.update(more)
        described["visible"] = bool(
            described["visible"]
            and (described.get("colors") or described.get("edgecolors") or described.get("colormap"))
        )
        return described

    def bars(self, place: int, container: Any) -> dict[str, Any] | None:
        """One bar series: x is the centre along the category axis, y the length, base its start."""
        patches = [patch for patch in container if isinstance(patch, Rectangle) and patch.get_visible()]
        if not patches:
            return None
        boxes = [box for box in map(self.extent, patches[:MAX_POINTS]) if box]
        if not boxes:
            return None
        across = getattr(container, "orientation", "vertical") == "horizontal"
        x = [p.get_y() + p.get_height() / 2 if across else p.get_x() + p.get_width() / 2 for p in patches]
        y = [p.get_width() if across else p.get_height() for p in patches]
        base = [p.get_x() if across else p.get_y() for p in patches]
        width = [p.get_height() if across else p.get_width() for p in patches]
        whole = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
        return self.base(
            "bar",
            place,
            container if hasattr(container, "get_zorder") else patches[0],
            whole,
            label="" if str(container.get_label()).startswith("_") else str(container.get_label())[:4000],
            colors=hexes([p.get_facecolor() for p in patches]),
            edgecolors=hexes([p.get_edgecolor() for p in patches]),
            count=len(patches),
            data={"x": numbers(x), "y": numbers(y), "base": numbers(base), "width": numbers(width)},
            orientation="horizontal" if across else "vertical",
            linewidth=number(patches[0].get_linewidth()),
            hatch=patches[0].get_hatch(),
        )

    def mark(self, place: int, axes: Any, artist: Any) -> dict[str, Any] | None:
        """One artist as a mark; None for what is no mark (texts, axes parts, legends)."""
        if isinstance(artist, Line2D):
            return self.line(place, artist)
        if isinstance(artist, Quiver):
            return self.collection(
                "quiver", place, artist, {"x": artist.X, "y": artist.Y, "u": artist.U, "v": artist.V}
            )
        if isinstance(artist, AxesImage):
            return self.image(place, artist)
        if isinstance(artist, QuadMesh):
            return self.mesh(place, artist)
        if isinstance(artist, ContourSet):
            return self.collection("contour", place, artist, {"levels": artist.levels})
        if isinstance(artist, Collection):
            return self.any_collection(place, artist)
        if (
            isinstance(artist, (Wedge, Rectangle, PathPatch, Polygon))
            or type(artist).__module__ == "matplotlib.patches"
        ):
            return self.patch(place, axes, artist)
        return None

    def line(self, place: int, line: Any) -> dict[str, Any] | None:
        box = self.extent(line)
        style, marker = str(line.get_linestyle()), str(line.get_marker())
        has_line, has_marker = style not in ("None", "", " "), marker not in ("None", "", " ")
        if box is None or not (has_line or has_marker):
            return None
        data3 = getattr(line, "_verts3d", None)
        data = (
            dict(zip("xyz", (numbers(part) for part in data3), strict=False))
            if data3 is not None
            else {"x": numbers(line.get_xdata(orig=False)), "y": numbers(line.get_ydata(orig=False))}
        )
        return self.base(
            "line" if has_line else "points",
            place,
            line,
            box,
            colors=[one_hex(line.get_color())],
            edgecolors=[],
            count=len(data.get("x", [])),
            data=data,
            linestyle=style if has_line else None,
            linewidth=number(line.get_linewidth()),
            marker=marker[:40] if has_marker else None,
            markersize=number(line.get_markersize()),
        )

    def collection_box(self, artist: Any) -> tuple[float, float, float, float]:
        return self.extent(artist) or (0.0, 0.0, 0.0, 0.0)

    def colormap(self, artist: Any) -> str | None:
        return str(artist.get_cmap().name)[:80] if artist.get_array() is not None else None

    def collection(self, kind: str, place: int, artist: Any, data: dict[str, Any]) -> dict[str, Any]:
        taken = {name: numbers(values) for name, values in data.items()}
        return self.base(
            kind,
            place,
            artist,
            self.collection_box(artist),
            colors=hexes(artist.get_facecolor()),
            edgecolors=hexes(artist.get_edgecolor()),
            colormap=self.colormap(artist),
            count=max((len(v) for v in taken.values()), default=0),
            data=taken,
        )

    def any_collection(self, place: int, artist: Any) -> dict[str, Any] | None:
        """Scatter, areas, segments and 3-D collections."""
        offsets3 = getattr(artist, "_offsets3d", None)
        if offsets3 is not None:
            return self.collection("points", place, artist, dict(zip("xyz", offsets3, strict=False)))
        if isinstance(artist, PathCollection):
            xy = np.ma.filled(np.ma.asarray(artist.get_offsets(), dtype=float), np.nan).reshape(-1, 2)
            mark = self.collection("points", place, artist, {"x": xy[:, 0], "y": xy[:, 1]})
            mark["count"] = len(xy)
            sizes = artist.get_sizes()
            mark["markersize"] = number(np.sqrt(sizes[0])) if len(sizes) else None
            return mark
        if isinstance(artist, LineCollection):
            points = [np.asarray(s, dtype=float)[:, :2] for s in artist.get_segments()[:MAX_POINTS] if len(s)]
            xy = np.concatenate(points) if points else np.empty((0, 2))
            mark = self.collection("segments", place, artist, {"x": xy[:, 0], "y": xy[:, 1]})
            mark["colors"] = mark["colors"] or mark["edgecolors"]
            return mark
        if hasattr(artist, "_vec"):
            vertices = np.asarray(artist._vec, dtype=float)[:3]
            return self.collection("surface", place, artist, dict(zip("xyz", vertices, strict=False)))
        if isinstance(artist, PolyCollection):
            paths = artist.get_paths()
            xy = np.concatenate([p.vertices for p in paths[:MAX_POINTS]]) if paths else np.empty((0, 2))
            return self.collection("area", place, artist, {"x": xy[:, 0], "y": xy[:, 1]})
        return self.collection("other", place, artist, {})

    def image(self, place: int, artist: Any) -> dict[str, Any] | None:
        array = artist.get_array()
        if array is None:
            return None
        flat = array.ndim == 2
        return self.base(
            "image",
            place,
            artist,
            self.collection_box(artist),
            colors=[] if flat else ["#000000"],
            edgecolors=[],
            colormap=str(artist.get_cmap().name)[:80] if flat else None,
            count=int(array.size),
            data={"value": numbers(array)},
            shape=[int(side) for side in array.shape[:2]],
        )

    def mesh(self, place: int, artist: Any) -> dict[str, Any]:
        array = artist.get_array()
        mark = self.collection("mesh", place, artist, {"value": [] if array is None else array})
        mark["colors"] = mark["colors"][:32]
        mark["shape"] = [int(side) - 1 for side in artist._coordinates.shape[:2]]
        return mark

    def patch(self, place: int, axes: Any, artist: Any) -> dict[str, Any] | None:
        box = self.extent(artist)
        if box is None:
            return None
        if isinstance(artist, Wedge):
            kind, data = "wedge", {"theta1": [artist.theta1], "theta2": [artist.theta2], "r": [artist.r]}
        elif isinstance(artist, Rectangle):
            kind, data = (
                "patch",
                {
                    "x": [artist.get_x()],
                    "y": [artist.get_y()],
                    "width": [artist.get_width()],
                    "height": [artist.get_height()],
                },
            )
        else:
            vertices = artist.get_path().vertices
            kind, data = "patch", {"x": vertices[:, 0], "y": vertices[:, 1]}
        face = hexes([artist.get_facecolor()]) if artist.get_fill() else []
        return self.base(
            kind,
            place,
            artist,
            box,
            colors=face,
            edgecolors=hexes([artist.get_edgecolor()]),
            count=1,
            data={name: numbers(values) for name, values in data.items()},
            linewidth=number(artist.get_linewidth()),
            hatch=artist.get_hatch(),
        )


def read(
    figure: Any, renderer: Any, *, left: float, top: float, width: int, height: int, tight: bool
) -> dict[str, Any]:
    """The description of a figure just drawn with `renderer`; see chartreward.description for its fields."""
    reader = Reader(figure, renderer, left, top, width, height)
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

"""Watches plotting calls as ChartMimic's evaluators count them: outermost calls, and the colours of what they drew.

Facts from ChartMimic's published evaluators (arXiv 2406.09961), quirks included. Two sets of functions are watched
apart from each other, since its two metrics do: `counted` ones for chart types, `painting` ones for colours. A call
inside a watched call of the same set is not seen; a watched call that raises blinds its set for the rest of the run.
Painted artists are kept by function and first colour, so a later artist of the same colour replaces an earlier one,
and their colours are read again once the figure is drawn.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

import numpy as np
from matplotlib import cbook
from matplotlib.axes import Axes
from matplotlib.axes._base import _process_plot_var_args
from matplotlib.colors import to_hex, to_rgba
from matplotlib.image import NonUniformImage
from matplotlib.patches import Circle, Ellipse, PathPatch
from matplotlib.projections.polar import PolarAxes
from mpl_toolkits.mplot3d import Axes3D

MAX_CALLS = 20_000
MAX_COLORS = 5000
MAX_ALL_COLORS = 20_000  # of all functions together

# Owners in packages that may not be loaded yet: `module`, or `module:class`.
_NETWORKX, _DRAWING = "networkx", "networkx.drawing.nx_pylab"
_SQUARIFY, _VENN = "squarify", "matplotlib_venn._common:VennDiagram"

_COUNTED: tuple[tuple[Any, str], ...] = (
    (
        Axes,
        "bar barh plot axhline axvline axvspan axhspan hlines vlines errorbar boxplot violinplot violin hist "
        "fill_between fill_betweenx scatter quiver pie fill imshow pcolor contour contourf broken_barh tripcolor",
    ),
    (Axes3D, "scatter plot plot_surface bar3d bar add_collection3d"),
    (_DRAWING, "draw_networkx_nodes draw_networkx_edges draw_networkx_labels"),
    (_NETWORKX, "draw_networkx_nodes draw_networkx_edges draw_networkx_labels"),
    (_SQUARIFY, "plot"),
    (NonUniformImage, "__init__"),
    (Ellipse, "__init__"),
    (Circle, "__init__"),
    (_VENN, "__init__"),
)


@dataclass(frozen=True)
class Paint:
    """How the colours of one painting function are read.

    `parts(args, result)` are the artists of a call, `read(artist)` their colours. The first or last colour names the
    artist; a colormap given by name stands for its colours when `named_map`.
    """

    parts: Callable[[tuple[Any, ...], Any], Iterable[Any]]
    read: Callable[[Any], Iterable[Any]]
    suffix: str = ""
    key: int = -1
    named_map: bool = False
    may_be_empty: bool = False


def _whole(args: tuple[Any, ...], result: Any) -> Iterable[Any]:
    return (result,)


def _each(args: tuple[Any, ...], result: Any) -> Iterable[Any]:
    return tuple(result)


def _made(kind: Any) -> Callable[[tuple[Any, ...], Any], Iterable[Any]]:
    """Constructors: the artist itself, of exactly this type."""
    return lambda args, result: args[:1] if type(args[0]) is _owner(kind) else ()


def _boxes(args: tuple[Any, ...], result: Any) -> Iterable[Any]:
    return [box for box in result["boxes"] if type(box) is PathPatch]


def _hist(args: tuple[Any, ...], result: Any) -> Iterable[Any]:
    patches = result[2]
    if type(patches) is not cbook.silent_list:
        return tuple(patches)
    return [patch for container in patches for patch in container]  # raises for a stepped histogram, as the original


def _polar_only(args: tuple[Any, ...], result: Any) -> Iterable[Any]:
    return result if type(args[0]) is PolarAxes else ()


def _tiles(args: tuple[Any, ...], result: Any) -> Iterable[Any]:
    return [patch for container in result.containers for patch in container]


def _face(artist: Any) -> Iterable[Any]:
    return (artist.get_facecolor(),)


def _faces(artist: Any) -> Any:
    return artist.get_facecolors()


def _first_face(artist: Any) -> Any:
    return artist.get_facecolor()[:1]


def _edges(artist: Any) -> Any:
    return artist.get_edgecolors()


def _color(artist: Any) -> Iterable[Any]:
    return (artist.get_color(),)


def _given_face(artist: Any) -> Iterable[Any]:
    return (list(artist._original_facecolor),)


def _map(artist: Any) -> Iterable[Any]:
    return (_Colormap(artist.get_cmap().name),)


def _network_edges(edges: Any) -> Iterable[Any]:
    """Arrows come as a list of patches, plain edges as one collection."""
    return [arrow.get_facecolor() for arrow in edges] if type(edges) is list else edges.get_edgecolors()


def _venn_faces(diagram: Any) -> Iterable[Any]:
    return [patch.get_facecolor() for patch in diagram.patches]


class _Colormap(str):
    """A colormap's name, told from a colour's."""


_MAP = Paint(_whole, _map)
_PAINTING: tuple[tuple[Any, str, Paint], ...] = (
    (_process_plot_var_args, "_makeline", Paint(lambda args, result: result[:1], _color)),
    (_process_plot_var_args, "_make_line", Paint(lambda args, result: result[:1], _color)),  # its later name
    (Axes, "bar", Paint(_each, _given_face)),
    (Axes, "scatter", Paint(_whole, _first_face, named_map=True, may_be_empty=True)),
    (Axes, "axhline", Paint(_whole, _color)),
    (Axes, "axvline", Paint(_whole, _color)),
    (Axes, "_fill_between_x_or_y", Paint(_whole, lambda artist: artist.get_facecolors()[:1])),
    (Axes, "pie", Paint(lambda args, result: result[0], _face)),
    (Axes, "axvspan", Paint(_whole, _face)),
    (Axes, "axhspan", Paint(_whole, _face)),
    (Axes, "hlines", Paint(_whole, _edges)),
    (Axes, "vlines", Paint(_whole, _edges)),
    (Axes, "boxplot", Paint(_boxes, _face)),
    (Axes, "violinplot", Paint(lambda args, result: result["bodies"], _first_face)),
    (Axes, "hist", Paint(_hist, _face)),
    (PolarAxes, "plot", Paint(_polar_only, _color, suffix=" polar")),
    (Axes, "quiver", Paint(_whole, _faces)),
    (Axes, "imshow", _MAP),
    (Axes, "pcolor", _MAP),
    (Axes, "contour", _MAP),
    (Axes, "contourf", _MAP),
    (Axes, "fill", Paint(_each, _face)),
    (NonUniformImage, "__init__", Paint(_made(NonUniformImage), _map)),
    (Ellipse, "__init__", Paint(_made(Ellipse), _face)),
    (Axes, "broken_barh", Paint(_whole, _faces)),
    (_DRAWING, "draw_networkx_nodes", Paint(_whole, _faces)),
    (_DRAWING, "draw_networkx_edges", Paint(_whole, _network_edges)),
    (_DRAWING, "draw_networkx_labels", Paint(lambda args, result: result.values(), _color)),
    (_NETWORKX, "draw_networkx_nodes", Paint(_whole, _faces)),
    (_NETWORKX, "draw_networkx_edges", Paint(_whole, _network_edges)),
    (_NETWORKX, "draw_networkx_labels", Paint(lambda args, result: result.values(), _color)),
    (_SQUARIFY, "plot", Paint(_tiles, _face, suffix=" squarify")),
    (Axes3D, "scatter", Paint(_whole, _faces, suffix=" 3d", named_map=True)),
    (Axes3D, "plot", Paint(_each, _color, suffix=" 3d")),
    (Axes3D, "plot_surface", Paint(_whole, lambda a: a.get_facecolors()[:1], suffix=" 3d", named_map=True)),
    (Axes3D, "bar3d", Paint(_whole, lambda a: a.get_facecolors()[:1], suffix=" 3d")),
    (Axes3D, "bar", Paint(_each, _face, suffix=" 3d")),
    (Axes3D, "add_collection3d", Paint(_whole, _faces, suffix=" 3d")),
    (Axes, "tripcolor", _MAP),
    (_VENN, "__init__", Paint(_made(_VENN), _venn_faces)),
    (Circle, "__init__", Paint(_made(Circle), _face)),
)


def as_text(color: Any) -> str:
    """`#RRGGBB` in capitals, or a colormap's name. Raises ValueError for what the original cannot convert."""
    if isinstance(color, _Colormap):
        name = " ".join(str(color)[:80].split())
        return name if name and not name.startswith("#") else f"map {name}"[:80]
    if isinstance(color, str):
        exact = color.startswith("#") and len(color) in (7, 9)
        return color[:7].upper() if exact else str(to_hex(to_rgba(color))).upper()
    if isinstance(color, (list, tuple, np.ndarray)) and len(color) in (3, 4):
        return str(to_hex(color)).upper()
    raise ValueError("not a colour")


class CallLog:
    """What watched functions did during one run."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.painted: dict[tuple[str, str], tuple[Paint, Any]] = {}
        self.counting = self.painting = self.lost = False
        self.watched: set[tuple[Any, str]] = set()

    def count(self, name: str) -> None:
        if len(self.names) < MAX_CALLS:
            self.names.append(name)

    def paint(self, name: str, paint: Paint, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Remember what a call drew. An error in here ended the original's run: nothing later has a colour."""
        if self.lost or len(self.painted) >= MAX_COLORS:
            return
        try:
            for group, key, kept, part in self._entries(name, paint, args, kwargs, result):
                self.painted[group, key] = (kept, part)
        except Exception:
            self.lost = True

    def _entries(
        self, name: str, paint: Paint, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> Iterator[tuple[str, str, Paint, Any]]:
        group = name + paint.suffix
        if paint.parts is _whole and paint.suffix == "" and name.endswith(" scatter") and type(args[0]) is PolarAxes:
            group += " polar"
        if paint.named_map and kwargs.get("cmap") is not None:
            cmap = kwargs["cmap"]
            named = _Colormap(cmap if isinstance(cmap, str) else cmap.name)
            yield group, str(named), Paint(_whole, lambda part: (part,)), named
            return
        for part in paint.parts(args, result):
            colors = [as_text(color) for color in paint.read(part)]
            if colors or not paint.may_be_empty:
                yield group, colors[paint.key], paint, part

    def read(self) -> list[dict[str, Any]]:
        """Entries of the description: counted calls in order, then the final colours by function."""
        groups: dict[str, dict[str, None]] = {}
        left = MAX_ALL_COLORS
        try:
            for (group, _), (paint, part) in self.painted.items():
                found = groups.setdefault(group, {})
                for color in paint.read(part):
                    if len(found) < MAX_COLORS and left > 0:
                        before = len(found)
                        found[as_text(color)] = None
                        left -= len(found) - before
        except Exception:  # the original's run ended here and wrote nothing
            groups = {}
        calls = [{"name": name, "colors": [], "counted": True} for name in self.names]
        return calls + [
            {"name": group, "colors": list(found), "counted": False} for group, found in groups.items() if found
        ]


def defined_in(function: Any) -> str:
    """`folder/file.py name`: the file whose code runs first, which for a decorated function is the decorator's."""
    code = getattr(function, "__code__", None)
    path = "" if code is None else "/".join(code.co_filename.split("/")[-2:])
    return f"{path} {function.__name__}"


def hooks(log: CallLog) -> Iterator[tuple[Any, str, Any]]:
    """(owner, attribute, watched function) of what is loaded and to be watched and is not yet; reports go to `log`."""
    counted = {(owner, name) for owner, names in _COUNTED for name in names.split()}
    painting = {(owner, name): paint for owner, name, paint in _PAINTING}
    for place, name in dict.fromkeys([*counted, *painting]):
        owner = _owner(place)
        function = None if owner is None else getattr(owner, name, None)
        if function is not None and (place, name) not in log.watched:
            log.watched.add((place, name))
            yield owner, name, _watched(log, function, (place, name) in counted, painting.get((place, name)))


def _owner(place: Any) -> Any:
    """A class or module; of one that is named, None until it is loaded."""
    if not isinstance(place, str):
        return place
    module, _, name = place.partition(":")
    loaded = sys.modules.get(module)
    return getattr(loaded, name, None) if name else loaded


class Arrivals:
    """A finder for `sys.meta_path` that calls `arrived` after the import of a package with functions to watch."""

    def __init__(self, arrived: Callable[[], None]) -> None:
        places = [place for place, *_ in (*_COUNTED, *_PAINTING) if isinstance(place, str)]
        self._awaited = {place.partition(".")[0].partition(":")[0] for place in places} - sys.modules.keys()
        self._arrived = arrived

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        """The package's own, with a loader that tells of its end."""
        if name not in self._awaited:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                load(module)
                self._arrived()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # this loader serves one import
        return spec


def _watched(log: CallLog, function: Any, counted: bool, paint: Paint | None) -> Any:
    name = defined_in(function)

    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        counts = counted and not log.counting
        paints = paint is not None and not log.painting
        if counts:
            log.counting = True
            polar = function.__name__ == "plot" and len(args) > 0 and type(args[0]) is PolarAxes
            log.count(name + " polar" if polar else name)
        if paints:
            log.painting = True
        result = function(*args, **kwargs)
        if counts:
            log.counting = False
        if paints:
            log.paint(name, paint, args, kwargs, result)  # type: ignore[arg-type]  # `paints` says it is not None
            log.painting = False
        return result

    return watched

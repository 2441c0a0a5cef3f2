"""Makes matplotlib 3.8's ticks as copies of one that it made itself: a fifth of the time of most charts is spent there.

A new tick follows from its class, its options and the parameters in force; its axes give it a figure and transforms. So
one is kept for each set of options and parameters, of the latest few, and copied while these are in force.
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib._enums import CapStyle, JoinStyle
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis, XTick, YAxis, YTick
from matplotlib.cbook import CallbackRegistry
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, IdentityTransform
from shortcuts import UnusualError

LETTERS = {(XAxis, XTick): "x", (YAxis, YTick): "y"}
PLACES = {"tick1line": "tick1", "tick2line": "tick2", "gridline": "grid"}
STYLES = 4  # sets of parameters that moulds are kept for, the latest first
STICKY: Any = type(Artist().sticky_edges)
SHARED = (type(None), bool, int, float, str, CapStyle, JoinStyle, types.FunctionType)


def install() -> None:
    """Replace the method that makes ticks, once a process. Other versions are left alone: their ticks are others."""
    if mpl.__version__.startswith("3.8."):
        Axis._get_tick = _copying(Axis._get_tick)


def _copying(plain: Callable[..., Any]) -> Callable[..., Any]:
    kept: dict[Any, list[tuple[dict[str, Any], Callable[[], Any]]]] = {}

    @functools.wraps(plain)
    def get_tick(axis: Any, major: bool) -> Any:
        letter = LETTERS.get((type(axis), axis._tick_class))
        kind: Any = type(axis.axes)
        if letter is None or not _places_ticks_plainly(kind, letter):
            return plain(axis, major)
        options = axis._major_tick_kw if major else axis._minor_tick_kw
        key = (letter, major, Line2D.zorder, *((name, type(value), value) for name, value in options.items()))
        try:
            moulds = kept.setdefault(key, [])
        except TypeError:  # an option that cannot be looked up, such as a colour in a list
            return plain(axis, major)
        for parameters, make in moulds:
            if dict.__eq__(mpl.rcParams, parameters):
                return _placed(make(), axis.axes, letter)
        tick = plain(axis, major)
        with contextlib.suppress(UnusualError):
            moulds[:] = (dict.copy(mpl.rcParams), _mould(tick)), *moulds[: STYLES - 1]
        return tick

    return get_tick


@functools.lru_cache(64)
def _places_ticks_plainly(kind: type[Axes], letter: str) -> bool:
    """Whether these axes place ticks as plain axes do; polar ones do not."""
    names = (f"get_{letter}axis_transform", f"get_{letter}axis_text1_transform", f"get_{letter}axis_text2_transform")
    return all(getattr(kind, name) is getattr(Axes, name) for name in names)


def _placed(tick: Any, axes: Any, letter: str) -> Any:
    """Give a copied tick what it has from its axes, as its class does when it makes one."""
    tick.figure, tick._axes = axes.figure, axes
    for name, place in PLACES.items():
        line = getattr(tick, name)
        line.figure = axes.figure
        line._transform = getattr(axes, f"get_{letter}axis_transform")(place)
    for number, label in ((1, tick.label1), (2, tick.label2)):
        label.figure = axes.figure
        of_labels = getattr(axes, f"get_{letter}axis_text{number}_transform")
        label._transform, label._verticalalignment, label._horizontalalignment = of_labels(tick._pad)
    return tick


def _mould(artist: Any) -> Callable[[], Any]:
    """What makes copies of an artist without its figure, axes and transform. Raises UnusualError."""
    kind = type(artist)
    shared: dict[str, Any] = {}
    own: list[tuple[str, Callable[[], Any]]] = []
    for name, value in artist.__dict__.items():
        shared[name] = value  # also what is made anew: the order of the attributes stays
        if name in ("figure", "_axes", "_transform"):
            shared[name] = None
        elif type(value) not in SHARED and name != "_path_effects":  # the parameter's own list
            own.append((name, _maker(value)))

    def make() -> Any:
        new = object.__new__(kind)
        attributes = new.__dict__
        attributes.update(shared)
        for name, maker in own:
            attributes[name] = maker()
        return new

    return make


def _maker(value: Any) -> Callable[[], Any]:
    """What makes copies of an attribute of a new tick or of its parts. Raises UnusualError."""
    kind = type(value)
    if kind in (Line2D, Text):
        return _mould(value)
    if kind is MarkerStyle:
        return _marker_mould(value)
    if kind is FontProperties:
        return functools.partial(FontProperties.copy, value)
    if kind is CallbackRegistry and not value.callbacks and value._signals == ["pchanged"]:
        return lambda: CallbackRegistry(signals=["pchanged"])
    if kind is STICKY and not value.x and not value.y:
        return lambda: STICKY([], [])
    if kind is Path and not value._vertices.size and value._codes is None:
        return functools.partial(_empty_path, value)
    if kind in (list, tuple) and all(type(one) in SHARED for one in value):
        return value.copy if kind is list else lambda: value
    if kind is np.ndarray and not value.size:
        return lambda: value
    raise UnusualError


def _marker_mould(value: Any) -> Callable[[], Any]:
    function, transform = value._marker_function, value._transform
    if value._user_transform is not None or value._alt_transform is not None or function.__self__ is not value:
        raise UnusualError
    if type(transform) not in (Affine2D, IdentityTransform):
        raise UnusualError
    attributes = dict(value.__dict__)  # its path is a constant of the class

    def make() -> Any:
        new = object.__new__(MarkerStyle)
        if type(transform) is Affine2D:
            own: Any = Affine2D(transform._mtx)
            own._invalid = transform._invalid
        else:
            own = IdentityTransform()
        new.__dict__.update(attributes, _marker_function=types.MethodType(function.__func__, new), _transform=own)
        return new

    return make


def _empty_path(value: Any) -> Any:
    new: Any = object.__new__(Path)
    new.__dict__.update(value.__dict__, _vertices=value._vertices.copy())
    return new

"""Lets matplotlib work out once what it works out several times for one picture: same numbers, less time.

Ticks: `Axis.draw` and `Axis.get_tightbbox` ask for the ticks and for the boxes of their labels, and ask again when they
place the axis label. Nothing that decides ticks changes in between, so the second time gets the first answer. While one
picture is drawn and read (`one_picture`), it serves all of these calls, as long as the axis is where it was.
Formatters and locators that are not matplotlib's own may count their calls; their axes are left alone.

Text: where a text's lines lie within its box is asked for when it is placed, when it is drawn and when it is read. It
follows from the text's own properties and from a renderer, so the last answer holds while those are the same.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
from matplotlib import axis as mpl_axis
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import Bbox

AXES = (mpl_axis.XAxis, mpl_axis.YAxis)


def install() -> None:
    """Wrap the methods, once a process. Later versions of matplotlib lay out text by more than the key below holds."""
    for name in ("draw", "get_tightbbox"):
        setattr(mpl_axis.Axis, name, _ticks_once(getattr(mpl_axis.Axis, name)))
    if mpl.__version__.startswith("3.8."):
        Text._get_layout = _layout_once(Text._get_layout)


class _Answers:
    """What an axis said last while one picture is drawn."""

    def __init__(self, axis: Any, place: tuple[Any, ...] | None = None) -> None:
        self.axis, self.place = axis, place  # no place: for one call, outside of a picture
        self.ticks: Any = None
        self.boxes: Any = None
        self.renderer: Any = None


_pictures: list[dict[int, _Answers]] = []  # by the axis' id, for each picture that is being drawn: one, as a rule


@contextlib.contextmanager
def one_picture() -> Iterator[None]:
    """While a figure is drawn and read nothing but matplotlib changes it, so answers hold for as long as places do."""
    _pictures.append({})
    try:
        yield
    finally:
        _pictures.pop()


def ticks_of(axis: Any) -> Any:
    """The ticks of an axis, as it drew them or worked out now. Raises what the axis does."""
    known = _pictures[-1].get(id(axis)) if _pictures else None
    if known is not None and known.ticks is not None and known.place == _place(axis):
        return known.ticks
    return axis._update_ticks()


def _answers(axis: Any) -> _Answers:
    """What is known of an axis; nothing yet where that could differ from what it would say now."""
    if not _pictures or not _is_alone(axis):
        return _Answers(axis)
    known, place = _pictures[-1].get(id(axis)), _place(axis)
    if known is None or known.place != place:
        known = _pictures[-1][id(axis)] = _Answers(axis, place)
    return known


def _is_alone(axis: Any) -> bool:
    """Whether no other axis uses its locators and formatters, which remember for whom they worked last."""
    shared = axis.axes._shared_axes[axis.axis_name]
    return len(shared.get_siblings(axis.axes)) == 1 and all(one.axis is axis for one in _deciders(axis))


def _place(axis: Any) -> tuple[Any, ...]:
    """What decides an axis' ticks and their boxes, and changes while a picture is laid out."""
    return (
        *axis.get_view_interval(),
        *axis.get_data_interval(),
        *axis.axes.bbox.bounds,
        axis.figure.dpi,
        *_deciders(axis),
        len(axis.majorTicks),
        len(axis.minorTicks),
    )


def _deciders(axis: Any) -> tuple[Any, ...]:
    return axis.major.locator, axis.minor.locator, axis.major.formatter, axis.minor.formatter


def _ticks_once(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapped(axis: Any, *args: Any, **options: Any) -> Any:
        if type(axis) not in AXES or not _is_plain(axis) or "_update_ticks" in vars(axis):
            return method(axis, *args, **options)
        known = _answers(axis)

        def update_ticks() -> Any:
            if known.ticks is None:
                known.ticks = type(axis)._update_ticks(axis)
                if known.place is not None:
                    known.place = _place(axis)  # its ticks are made now
            return known.ticks

        def label_boxes(of: Any, renderer: Any = None) -> Any:
            if known.boxes is None or known.renderer is not renderer:
                known.boxes, known.renderer = type(axis)._get_ticklabel_bboxes(axis, of, renderer), renderer
            return known.boxes

        axis._update_ticks, axis._get_ticklabel_bboxes = update_ticks, label_boxes
        try:
            return method(axis, *args, **options)
        finally:
            del axis._update_ticks, axis._get_ticklabel_bboxes

    return wrapped


def _is_plain(axis: Any) -> bool:
    """Whether matplotlib alone decides the ticks: nothing of the code's own is asked for them."""
    return all(
        type(one).__module__.startswith("matplotlib.") and not isinstance(one, FuncFormatter) for one in _deciders(axis)
    )


def _layout_once(method: Callable[..., Any]) -> Callable[..., Any]:
    # Beside the texts, not in them: figures are pickled and copied.
    layouts: weakref.WeakKeyDictionary[Any, tuple[Any, Any, Any]] = weakref.WeakKeyDictionary()

    @functools.wraps(method)
    def wrapped(text: Any, renderer: Any) -> Any:
        if text._wrap or text.get_usetex():  # lines broken by the figure's width; metrics by a program
            return method(text, renderer)
        key = (
            text._text,
            hash(text._fontproperties),
            text.figure.dpi,
            text._linespacing,
            text.get_rotation(),
            text._rotation_mode,
            text._horizontalalignment,
            text._verticalalignment,
            text._get_multialignment(),
            text._parse_math,
        )
        known = layouts.get(text)
        if known is None or known[0]() is not renderer or known[1] != key:
            known = layouts[text] = (weakref.ref(renderer), key, method(text, renderer))
        box, lines, descent = known[2]
        return Bbox(box.get_points().copy()), list(lines), descent

    return wrapped

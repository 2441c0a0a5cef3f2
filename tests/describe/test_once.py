"""What is worked out once, or by a shorter way, changes no pixel and no word: against matplotlib's own methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.describe.conftest import Forker

# Puts matplotlib's own methods and files of fonts back, in this child alone.
PLAIN = """
from functools import lru_cache
from types import FunctionType
from matplotlib import artist, axis, bezier, cbook, font_manager, markers, patches, path, text, transforms
changed = {
    axis.Axis: ("draw", "get_tightbbox", "_get_tick"), text.Text: ("_get_layout",), cbook: ("normalize_kwargs",),
    artist.Artist: ("_update_props", "pchanged", "set_clip_path"), font_manager.FontProperties: ("copy",),
    markers.MarkerStyle: ("_set_marker",), patches.Rectangle: ("get_patch_transform",),
    path.Path: ("iter_bezier", "get_extents"), bezier.BezierSegment: ("axis_aligned_extrema",),
    transforms.Bbox: ("union", "from_extents"), transforms.BboxBase: ("xmin", "xmax", "ymin", "ymax"),
    font_manager.FontManager: ("_find_fonts_by_props",),
}
put_back = 0
for owner, names in changed.items():
    for name in names:
        ours = vars(owner).get(name)  # later versions have some of them elsewhere
        function = ours.fget if type(ours) is property else getattr(owner, name)
        if ours is not None and type(function.__globals__.get("install")) is FunctionType:
            plain = function.__wrapped__
            kind = type(ours) if type(ours) in (property, staticmethod) else lambda one: one
            setattr(owner, name, kind(plain))
            put_back += 1
assert put_back in (2, sum(map(len, changed.values())))  # of later versions only two are replaced
ours = font_manager._get_font.__wrapped__
plain = FunctionType(ours.__code__, vars(font_manager))
plain.__kwdefaults__ = ours.__kwdefaults__
font_manager._get_font = lru_cache(64)(plain)
assert type(font_manager.get_font(font_manager.findfont("DejaVu Sans")).fname) is str
assert "install" not in axis.Axis.draw.__globals__ and "install" not in markers.MarkerStyle._set_marker.__globals__
del artist, axis, bezier, cbook, font_manager, markers, patches, path, text, transforms, changed, owner, names, name
del ours, function, kind, put_back, plain, lru_cache, FunctionType
"""

SCRIPTS = {
    "labels and layout": """
fig, ax = plt.subplots(2, 2, figsize=(7, 5))
ax[0, 0].plot([1, 20, 3], label="$x^2$"); ax[0, 0].legend(); ax[0, 0].set_title("two\\nlines"); ax[0, 0].minorticks_on()
ax[0, 1].bar(["first", "second", "third"], [1, 2, 3]); ax[0, 1].tick_params(axis="x", rotation=45)
ax[1, 0].semilogy([1, 1000, 10]); ax[1, 0].set_ylabel("counts"); ax[1, 0].xaxis.tick_top()
ax[1, 1].plot([1e6, 2e6], [1e-9, 3e-9]); ax[1, 1].twinx().plot([5, 3]); ax[1, 1].set_xlabel("far")
fig.align_labels(); fig.suptitle("all of it", style="italic")
plt.tight_layout()
plt.savefig("a.png", bbox_inches="tight")
""",
    "constrained, polar, 3-D": """
fig = plt.figure(layout="constrained")
fig.add_subplot(221, projection="polar").plot([0, 1, 2], [1, 2, 1])
fig.add_subplot(222, projection="3d").plot([1, 2], [3, 4], [5, 6])
m = fig.add_subplot(212).imshow(np.arange(12).reshape(3, 4)); fig.colorbar(m, label="value")
plt.show()
""",
    "changed between two saves": """
fig, ax = plt.subplots()
line, = ax.plot([1, 2, 3]); text = ax.text(1, 2, "before", rotation=10); label = ax.set_ylabel("short")
fig.savefig("a.png")
text.set_text("after\\nit"); text.set_rotation(75); text.set_ha("right")
label.set_fontsize(22); label.set_text("long label")
line.set_ydata([100000, 2, 3]); ax.relim(); ax.autoscale_view(); ax.set_yticks([0, 50000, 100000])
fig.set_size_inches(5, 3)
fig.savefig("b.png")
""",
    "markers, aliases, fonts": """
from matplotlib.markers import MarkerStyle
from matplotlib.transforms import Affine2D
fig, ax = plt.subplots()
turned = MarkerStyle("^", fillstyle="left", transform=Affine2D().rotate_deg(30), capstyle="round")
shown = ["o", 2, "$m$", (5, 1), [(0, 0), (1, 0), (0, 1)], turned, MarkerStyle(turned), "none", None]
for row, marker in enumerate(shown):
    ax.plot([0, 1, 2], [row] * 3, marker=marker, ms=9, lw=0.5, c="C%d" % row, mfc="w", fillstyle=None)
ax.xaxis.set_tick_params(which="both", direction="in", width=2); ax.minorticks_on()
ax.set(xlabel="set", xlim=(-1, 3), xticks=[0, 1, 2])
ax.text(0, 3.5, "serif", family="serif", size=9); ax.text(1, 3.5, "$\\\\alpha^{2}$ mono", fontfamily="monospace", c="r")
try:
    plt.setp(ax.lines[0], linewidth=2, lw=3)
except TypeError as error:
    ax.set_title(str(error), fontsize=6)
try:
    ax.lines[0].set(nothing=1)
except AttributeError as error:
    ax.set_ylabel(str(error), fontsize=6)
heard = []
ax.lines[1].add_callback(lambda line: heard.append(line.get_linewidth()))
ax.lines[1].set(lw=4); ax.lines[1].set_color("k")
fig.text(0.5, 0.01, f"{heard} {'eventson' in vars(ax.lines[1])}")
plt.show()
""",
    "rectangles": """
import datetime
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle
fig, ax = plt.subplots(2, 3, figsize=(9, 6))
a, b, c, d, e, f = ax.flat
a.bar(["x", "y", "z"], np.array([3, -1, 2]), bottom=[0, 1, -2]); a.invert_yaxis(); a.set_title("kinds")
b.bar([datetime.date(2020, 1, day) for day in (1, 2, 5)], [1, 2, 3]); b.tick_params(axis="x", rotation=90)
c.barh([0, 1], [10, 1000], left=1, log=True); c.broken_barh([(5, 100), (300, 60)], (1.5, 0.3))
for angle, point in ((0, "xy"), (30, "xy"), (30, "center"), (30, (2, 2)), (0, "center"), (0, (1, 1))):
    d.add_patch(Rectangle((1, 1), np.int64(2), 1, angle=angle, rotation_point=point, fill=False))
d.add_patch(Rectangle((3, 3), -2, -1, color="r", alpha=0.3)); d.add_patch(Rectangle((0, 0), 0, 0)); d.autoscale_view()
window = Rectangle((0.2, 0.2), 0.5, 0.5, transform=e.transAxes)
first = e.imshow(np.arange(9).reshape(3, 3)); first.set_clip_path(window)
window.set_x(0.4); second, = e.plot([0, 2], [0, 2], lw=9); second.set_clip_path(window)
window.set_transform(e.transData); window.set_bounds(0, 0, 1, 1); e.plot([2, 0], lw=9)[0].set_clip_path(window)
window.set_width(3)
e.plot([1, 1], lw=5)[0].set_clip_path(Circle((1, 1), 0.5, transform=e.transData))
f.pie([1, 2, 3], labels=["a", "b", "c"], wedgeprops={"width": 0.4}); f.legend(fancybox=True)
f.add_patch(FancyBboxPatch((-1, -1), 1, 0.5)); f.set_xlim(-2, 2)
f.text(0, 1.5, "boxed", bbox={"boxstyle": "round"}); f.add_patch(Rectangle((np.nan, 0), 1, 1))
plt.tight_layout()
plt.savefig("a.png", bbox_inches="tight")
""",
    "axes that share and lie on others": """
fig, ax = plt.subplots(2, 2, sharex="col", sharey="row", figsize=(6, 5))
for number, one in enumerate(ax.flat):
    one.plot([1, 10 ** number], [5, number * 1e7]); one.set_title(f"title {number}"); one.set_ylabel("y")
twin = ax[0, 0].twinx(); twin.plot([3, 4]); twin.set_title("above"); twin.set_ylabel("right")
other = ax[1, 1].twiny(); other.plot([1e-5, 2e-5], [1, 2]); other.set_xlabel("top")
ax[1, 0].secondary_yaxis("right").set_ylabel("second"); ax[0, 1].inset_axes([0.5, 0.5, 0.4, 0.4]).set_title("in")
same = ax[1, 0].yaxis.get_major_formatter(); ax[1, 1].xaxis.set_major_formatter(same)
fig.align_ylabels()
plt.show()
""",
    "an artist that moves its axes when it is drawn": """
from matplotlib.lines import Line2D
class Mover(Line2D):
    def draw(self, renderer):
        super().draw(renderer); self.axes.set_ylim(0, 50 + 1000 * (self.axes.get_ylim()[1] < 40)); fig.set_dpi(100)
fig, ax = plt.subplots(); ax.set_title("moved"); ax.plot([1, 2, 30]); ax.add_line(Mover([0, 1], [0, 1]))
fig.savefig("a.png", bbox_inches="tight")
""",
    "tickers that count their calls": """
from matplotlib.ticker import FixedLocator, FuncFormatter, Formatter
calls = []
class Counting(Formatter):
    def __call__(self, value, place=None):
        calls.append(value)
        return f"c{len(calls)}"
class Wandering(FixedLocator):
    def __call__(self):
        calls.append(0)
        return np.array([0.5, 1 + len(calls) / 50])
fig, ax = plt.subplots(1, 3)
for one in ax: one.plot([1, 2, 3])
ax[0].xaxis.set_major_formatter(FuncFormatter(lambda value, place: calls.append(value) or str(len(calls))))
ax[1].yaxis.set_major_formatter(Counting())
ax[2].xaxis.set_major_locator(Wandering([0]))
plt.tight_layout()
plt.show()
""",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_pictures_and_descriptions_are_those_of_plain_matplotlib(draw: Forker, name: str) -> None:
    once, plain = draw(SCRIPTS[name]), draw(PLAIN + SCRIPTS[name])
    assert once.status == plain.status == "ok", (once.error, plain.error)
    assert np.array_equal(once.pixels, plain.pixels)
    assert once.reply["description"] == plain.reply["description"]


def test_a_drawn_figure_can_be_pickled_and_copied(draw: Forker) -> None:
    drawn = draw(
        "import copy, pickle\nfig, ax = plt.subplots(); ax.plot([1, 2]); ax.set_title('kept'); fig.canvas.draw()\n"
        "plt.close(fig); again = copy.deepcopy(pickle.loads(pickle.dumps(fig))); again.savefig('a.png')"
    )
    assert drawn.status == "ok", drawn.error
    assert drawn.strings("title") == ["kept"]


def test_markers_are_copied_as_deep_copies_are(draw: Forker) -> None:
    drawn = draw(
        """
import copy
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, Transform
def seen(value):
    if isinstance(value, (MarkerStyle, Path, Transform)):
        return type(value), {name: seen(one) for name, one in vars(value).items()}
    if hasattr(value, "__func__"):
        return value.__func__, seen(value.__self__)
    return (value.dtype, value.flags.writeable, value.tolist()) if isinstance(value, np.ndarray) else value
shared = Affine2D().scale(2)
kept = shared + Affine2D()  # has the transform as a child
unequal = []
for marker in [*MarkerStyle.markers, "$x$", (4, 2, 30), [(0, 0), (1, 0), (0, 1)]]:
    for options in ({}, {"fillstyle": "none"}, {"capstyle": "round"}, {"transform": Affine2D()}, {"transform": shared}):
        first = MarkerStyle(marker, **options)
        again = MarkerStyle(first)
        deep = MarkerStyle("o"); vars(deep).clear(); vars(deep).update(copy.deepcopy(vars(first)))
        apart = all(getattr(again, name) is not getattr(first, name) for name in ("_path", "_transform"))
        if seen(again) != seen(deep) or not apart:
            unequal.append((marker, options))
plt.figure().text(0, 0.5, f"{len(unequal)} unequal {unequal[:2]}")
"""
    )
    assert drawn.status == "ok", drawn.error
    assert [text.string for text in drawn.texts()] == ["0 unequal []"]


def test_copied_ticks_hold_what_new_ones_hold(draw: Forker) -> None:
    drawn = draw(
        """
import itertools
from enum import Enum
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle
from matplotlib.transforms import Affine2D, IdentityTransform, Transform
def seen(value):
    if isinstance(value, (Figure, plt.Axes)):
        return id(value)
    if isinstance(value, Transform) and not isinstance(value, (Affine2D, IdentityTransform)):
        return str(value)  # the whole tree
    if isinstance(value, np.ndarray):
        return value.dtype, value.tolist()
    if hasattr(value, "__self__"):
        return value.__func__, type(value.__self__)
    if isinstance(value, (itertools.count, Enum)) or not hasattr(value, "__dict__") or hasattr(value, "__code__"):
        return type(value), str(value)
    return type(value), {name: seen(one) for name, one in vars(value).items() if name != "_parents"}
def owners(tick):
    lines = tick.tick1line, tick.tick2line, tick.gridline
    assert all(line._marker._marker_function.__self__ is line._marker for line in lines)
    parts = [tick, *lines, tick.label1, tick.label2]
    return {id(part) for part in parts} | {id(part._callbacks) for part in parts} | {
        id(part) for line in lines for part in (line._marker, line._marker._transform, line._xorig)
    } | {id(tick.label1._fontproperties), id(tick.label2._fontproperties), id(tick.gridline._path)}
plain = getattr(Axis._get_tick, "__wrapped__", Axis._get_tick)  # later versions are left alone
counts, unequal, shared = [0, 0], [], 0
def compare(what):
    global shared
    fig, axes = plt.subplots(1, 2)
    for ax in axes:
        if isinstance(what, dict):
            ax.tick_params(**what)
        for axis in (ax.xaxis, ax.yaxis):
            for major in (True, False):
                new, first, second = plain(axis, major), axis._get_tick(major), axis._get_tick(major)
                counts[0] += 1
                if not seen(new) == seen(first) == seen(second):
                    unequal.append((what, axis.axis_name, major))
                shared += len(owners(first) & owners(second))
    plt.close(fig)
for options in (
    {}, {"direction": "in", "colors": "r"}, {"labelrotation": 30, "grid_color": "b", "grid_alpha": 0.5},
    {"length": 9, "pad": 12, "labelsize": "large", "width": 2}, {"labeltop": True, "labelfontfamily": "serif"},
    {"color": [0, 0, 1]}, {"which": "minor", "direction": "inout", "grid_linestyle": "--"},
):
    compare(options)
for settings in ({"xtick.major.size": 8}, {"font.size": 7, "axes.grid": True}, {"lines.marker": "o"}, {}):
    with plt.rc_context(settings):
        compare(str(settings))
for style in ("ggplot", "dark_background"):
    with plt.style.context(style):
        compare(style)
plt.figure().text(0, 0.5, f"{counts[0]} compared, {len(unequal)} unequal {unequal[:2]}, {shared} shared")
"""
    )
    assert drawn.status == "ok", drawn.error
    assert [text.string for text in drawn.texts()] == ["104 compared, 0 unequal [], 0 shared"]

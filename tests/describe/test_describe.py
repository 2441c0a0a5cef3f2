"""What is read from drawn charts, against values known by hand, in both runtimes."""

from __future__ import annotations

import pytest

from tests.describe.conftest import Drawn, Forker

RED, BLUE = "#ff0000", "#0000ff"


def test_line(draw: Forker) -> None:
    drawn = draw(
        "fig, ax = plt.subplots(figsize=(4, 3)); ax.set_position([0.25, 0.25, 0.5, 0.5])\n"
        "ax.plot([0, 1, 2], [4, 2, 8], 'r--o', lw=3, ms=5, label='up', alpha=0.5)\n"
        "ax.set(xlim=(0, 2), ylim=(0, 10), xlabel='x', ylabel='y', title='T'); ax.set_yscale('symlog'); ax.grid(True)\n"
        "fig.suptitle('S')"
    )
    (axes,) = drawn.axes
    assert axes.box == (100, 75, 300, 225)  # 400 x 300 pixels, from the top left
    assert axes.cell is not None and list(axes.cell.model_dump().values()) == [1, 1, 0, 0, 0, 0]
    assert (axes.title, axes.x.label, axes.y.label) == ("T", "x", "y")
    assert axes.x.limits == (0, 2) and axes.y.limits == (0, 10)
    assert (axes.x.scale, axes.y.scale, axes.x.grid) == ("linear", "symlog", True)
    (line,) = drawn.marks()
    assert (line.kind, line.label, line.colors, line.alpha, line.visible) == ("line", "up", [RED], 0.5, True)
    assert line.data == {"x": [0, 1, 2], "y": [4, 2, 8]} and line.count == 3
    assert (line.linestyle, line.linewidth, line.marker, line.markersize) == ("--", 3, "o", 5)
    roles = {text.role: text for text in drawn.texts()}
    assert {"suptitle", "title", "xlabel", "ylabel", "xtick", "ytick"} <= roles.keys()
    title = roles["title"]
    assert title.axes == 0 and title.box[3] <= 75 and title.size == 12
    assert (title.box[0] + title.box[2]) / 2 == pytest.approx(200, abs=2)


@pytest.mark.parametrize("across", [False, True])
def test_bars(draw: Forker, across: bool) -> None:
    method, base = ("barh", "left") if across else ("bar", "bottom")
    drawn = draw(
        f"plt.{method}(['a', 'b', 'c'], [1, 2, 3], 0.5, color='red', label='low')\n"
        f"plt.{method}(['a', 'b', 'c'], [3, 2, 1], 0.5, {base}=[1, 2, 3], color='blue', hatch='/')"
    )
    low, high = drawn.marks("bar")
    assert len(drawn.marks()) == 2 and low.label == "low"
    assert low.orientation == ("horizontal" if across else "vertical")
    assert low.data == {"x": [0, 1, 2], "y": [1, 2, 3], "base": [0, 0, 0], "width": [0.5] * 3}
    assert high.data["base"] == [1, 2, 3] and high.data["y"] == [3, 2, 1]
    assert (low.colors, high.colors, high.hatch) == ([RED], [BLUE], "/")
    axis = drawn.axes[0].y if across else drawn.axes[0].x
    assert [label for label in axis.ticklabels if label] == ["a", "b", "c"]


def test_scatter_and_colorbar(draw: Forker) -> None:
    drawn = draw(
        "plt.scatter([1, 2, 3], [3, 1, 2], c=[1, 2, 3], cmap='viridis', s=49); plt.colorbar(label='level')\n"
        "plt.gca().scatter([1], [2], color='red', label='one')"
    )
    mapped, plain = [mark for mark in drawn.marks("points") if mark.axes == 0]
    assert mapped.colormap == "viridis" and mapped.data == {"x": [1, 2, 3], "y": [3, 1, 2]} and mapped.markersize == 7
    assert len(mapped.colors) == 3
    assert plain.colors == [RED] and plain.label == "one" and plain.colormap is None
    assert [axes.colorbar for axes in drawn.axes] == [False, True]
    assert "level" in drawn.strings("ylabel")


def test_histograms(draw: Forker) -> None:
    drawn = draw(
        "plt.hist([1, 1, 2, 5], bins=[0, 2, 4, 6], color='red'); plt.hist([1, 5], bins=[0, 3, 6], histtype='step')"
    )
    (bars,) = drawn.marks("bar")
    assert bars.data == {"x": [1, 3, 5], "y": [2, 1, 1], "base": [0, 0, 0], "width": [2, 2, 2]}
    (step,) = drawn.marks("area")
    assert step.edgecolors and not step.colors and step.visible


def test_pie(draw: Forker) -> None:
    drawn = draw("plt.pie([1, 3], labels=['a', 'b'], colors=['red', 'blue'], autopct='%d%%')")
    first, second = drawn.marks("wedge")
    assert (first.data["theta1"], first.data["theta2"], first.data["r"]) == ([0], [90], [1])
    assert (first.colors, second.colors) == ([RED], [BLUE])
    assert sorted(drawn.strings("text")) == ["25%", "75%", "a", "b"]
    assert drawn.texts("xtick") == []


def test_areas_segments_and_boxes(draw: Forker) -> None:
    stack = draw("plt.stackplot([0, 1], [1, 2], [3, 4], colors=['red', 'blue'])").marks("area")
    assert [mark.colors for mark in stack] == [[RED], [BLUE]]
    assert max(value or 0 for value in stack[1].data["y"]) == 6
    violins = draw("plt.violinplot([[1, 2, 3], [2, 3, 9]])").marks("area")
    assert len(violins) == 2
    bars = draw("plt.errorbar([1, 2], [3, 4], yerr=[1, 2], color='red', fmt='o')")
    (segments,) = bars.marks("segments")
    assert segments.colors == [RED] and segments.data["y"] == [2, 4, 2, 6]
    assert bars.marks("points")[0].data == {"x": [1, 2], "y": [3, 4]}
    stem = draw("plt.stem([1, 2], [3, 4])")
    assert stem.marks("segments")[0].data["y"] == [0, 3, 0, 4]
    boxes = draw("plt.boxplot([[1, 2, 3], [2, 3, 9]], patch_artist=True)").marks("box")
    assert len(boxes) == 2 and set(boxes[0].data["y"]) >= {1.5, 2.5}


def test_images_meshes_and_contours(draw: Forker) -> None:
    (image,) = draw("plt.imshow([[1, 2], [3, 4], [5, 6]], cmap='magma')").marks()
    assert (image.kind, image.colormap, image.shape, image.count) == ("image", "magma", [3, 2], 6)
    assert image.data["value"] == [1, 2, 3, 4, 5, 6]
    (mesh,) = draw("plt.pcolormesh([[1, 2], [3, 4]], cmap='magma')").marks()
    assert (mesh.kind, mesh.colormap, mesh.shape) == ("mesh", "magma", [2, 2])
    assert mesh.data["value"] == [1, 2, 3, 4]
    grid = "x, y = np.mgrid[-1:1:9j, -1:1:9j]\n"
    for call in ("contour", "contourf"):
        levels = draw(f"{grid}plt.{call}(x, y, x * y, levels=[-1, 0, 1])").marks("contour")
        assert levels and levels[0].visible
    (arrows,) = draw("plt.quiver([0, 1], [0, 1], [1, 2], [3, 4])").marks("quiver")
    assert (arrows.data["u"], arrows.data["v"]) == ([1, 2], [3, 4])


def test_three_dimensions(draw: Forker) -> None:
    drawn = draw(
        "ax = plt.figure().add_subplot(projection='3d'); ax.plot([0, 1], [2, 3], [4, 5], 'r'); ax.set_zlabel('depth')\n"
        "ax.scatter([1], [2], [3], color='blue'); ax.plot_surface(*np.mgrid[:3, :3], np.eye(3))"
    )
    assert drawn.axes[0].projection == "3d" and drawn.axes[0].z is not None and drawn.axes[0].z.label == "depth"
    (line,) = drawn.marks("line")
    assert line.data == {"x": [0, 1], "y": [2, 3], "z": [4, 5]} and line.visible
    assert drawn.marks("points")[0].data["z"] == [3]
    assert drawn.marks("surface")[0].visible
    assert drawn.strings("zlabel") == ["depth"]
    labels = [text for role in ("xtick", "ytick", "ztick") for text in drawn.texts(role)]
    assert len(labels) > 12 and all(text.visible for text in labels)


def test_flat_bars_in_three_dimensions(draw: Forker) -> None:
    drawn = draw(
        "ax = plt.figure().add_subplot(projection='3d')\n"
        "ax.bar([1, 2, 3], [4, 5, 6], zs=7, zdir='y', width=0.5, color='red', label='flat')\n"
        "ax.bar([1, 2], [4, -5], zs=7, zdir='x', color='blue'); ax.bar([1], [4], zs=7, zdir='z', color='blue')"
    )
    red, across, lying = drawn.marks("bar")
    assert red.data == {"x": [1, 2, 3], "y": [7, 7, 7], "z": [4, 5, 6]} and red.count == 3 and red.label == "flat"
    assert across.data == {"x": [7, 7], "y": [1, 2], "z": [4, -5]}
    assert lying.data == {"x": [1], "y": [4], "z": [7]}
    assert red.colors == ["#ff0000"] and red.visible and len(drawn.marks()) == 3


@pytest.mark.parametrize("hidden", ["ax.set_axis_off()", "ax.set_visible(False)"])
def test_three_dimensional_axes_that_are_not_drawn(draw: Forker, hidden: str) -> None:
    drawn = draw(f"ax = plt.figure().add_subplot(projection='3d'); ax.plot([0, 4], [0, 4], [0, 4]); {hidden}")
    axes = drawn.axes[0]
    assert axes.z is not None and len(set(axes.x.ticks)) > 3 and len(set(axes.z.ticks)) > 3
    assert not drawn.texts("xtick")


def test_axes_inside_axes(draw: Forker) -> None:
    """A figure does not list axes that other axes hold."""
    drawn = draw(
        "fig, (a, b) = plt.subplots(1, 2); a.plot([1, 2])\n"
        "inset = a.inset_axes([0.5, 0.1, 0.4, 0.3]); inset.bar([1, 2], [3, 4], color='red'); inset.set_title('zoom')\n"
        "second = b.secondary_xaxis('top', functions=(lambda x: 2 * x, lambda x: x / 2)); second.set_xlabel('twice')\n"
        "inset.inset_axes([0, 0, 0.5, 0.5]).set_xlabel('inmost')"
    )
    assert [axes.title for axes in drawn.axes] == ["", "", "zoom", "", ""]
    assert [axes.twin for axes in drawn.axes] == [None, None, None, 1, None]
    (bar,) = drawn.marks("bar")
    assert bar.axes == 2 and bar.visible and drawn.strings("xlabel") == ["twice", "inmost"]
    outside = next(axes for axes in drawn.axes if axes.x.label == "twice")
    assert outside.x.visible and outside.x.limits == (0, 2)


def test_dates(draw: Forker) -> None:
    drawn = draw("import datetime as d\nplt.plot([d.date(1970, 1, 2), d.date(1970, 1, 4)], [1, 2])")
    assert drawn.marks("line")[0].data["x"] == [1, 3]  # days since 1970


def test_grid_cells_twins_and_hidden_axes(draw: Forker) -> None:
    drawn = draw(
        "fig = plt.figure(); grid = fig.add_gridspec(2, 3)\n"
        "a = fig.add_subplot(grid[0, :]); b = fig.add_subplot(grid[1, 1:]); t = a.twinx()\n"
        "fig.add_axes([0, 0, 0.1, 0.1])\n"
        "b.set_visible(False); b.plot([1, 2]); a.axis('off')"
    )
    cells = [axes.cell and tuple(axes.cell.model_dump().values()) for axes in drawn.axes]
    assert cells == [(2, 3, 0, 0, 0, 2), (2, 3, 1, 1, 1, 2), (2, 3, 0, 0, 0, 2), None]
    assert [axes.twin for axes in drawn.axes] == [None, None, 0, None]
    assert [axes.visible for axes in drawn.axes] == [True, False, True, True]
    assert not drawn.axes[0].x.visible and drawn.marks() == []
    assert {text.axes for text in drawn.texts("xtick")} <= {
        2,
        3,
    }  # a twin may repeat them


def test_legends_and_tables(draw: Forker) -> None:
    drawn = draw(
        "plt.plot([1, 2], 'r', label='a'); plt.bar([0], [1], color='blue', label='b')\n"
        "plt.legend(title='Key', ncol=2, frameon=False); plt.table([['11', '12']], loc='top')"
    )
    (legend,) = drawn.description.legends
    assert (legend.axes, legend.title, legend.columns, legend.frame) == (0, "Key", 2, False)
    assert [(entry.label, entry.color) for entry in legend.entries] == [("a", RED), ("b", BLUE)]
    assert drawn.strings("legend") == ["a", "b"] and drawn.strings("legend_title") == ["Key"]
    assert drawn.strings("table") == ["11", "12"]


@pytest.mark.parametrize(
    "code",
    [
        "import networkx as nx; nx.draw(nx.path_graph(3), {0: (0, 0), 1: (1, 1), 2: (2, 0)}, node_color='red')",
        "import squarify; squarify.plot([1, 2], color=['red', 'red'])",
        "from matplotlib_venn import venn2; venn2((1, 2, 1), set_colors=('red', 'red'), alpha=1)",
        "import seaborn as sns; sns.barplot(x=['a', 'b'], y=[1, 2], color='red', saturation=1)",
        "import pandas as pd; pd.DataFrame({'v': [1, 2]}).plot(color='red')",
        "p = plt.subplot(projection='polar'); p.plot([0, 1], [1, 2], 'r')",
    ],
)
def test_other_libraries(draw: Forker, code: str) -> None:
    drawn = draw(code)
    assert drawn.status == "ok", drawn.error
    assert any(RED in mark.colors and mark.visible for mark in drawn.marks())


@pytest.mark.parametrize(
    ("code", "visible"),
    [
        ("ax.plot([0, 1], [0, 1])", True),
        ("ax.plot([0, 1], [0, 1], alpha=0)", False),
        ("ax.plot([5, 6], [0, 1])", False),  # clipped away
        ("ax.plot([5, 6], [0, 1], clip_on=False)", False),  # off the canvas
        ("ax.plot([0, 0.5], [1, 1])", True),  # flat, and on the edge
        ("ax.bar([0.5], [0.5])", True),
        ("ax.bar([7], [0.5])", False),
        ("ax.scatter([0.5], [0.5])", True),
        ("ax.scatter([9], [9])", False),
        ("ax.scatter([0.5], [0.5], color='none')", False),
        ("ax.plot([0, 1], [0, 1], visible=False)", None),
        ("ax.text(0.5, 0.5, 'w')", True),
        ("ax.text(0.5, 0.5, 'w', alpha=0)", False),
        ("ax.text(9, 9, 'w')", False),
        ("ax.text(2, 0.5, 'w', clip_on=True)", False),
        ("ax.text(0.5, 0.5, 'w', size=0.5)", False),
        ("ax.text(0.5, 0.5, 'w', visible=False)", None),
    ],
)
def test_visible(draw: Forker, code: str, visible: bool | None) -> None:
    drawn = draw(f"ax = plt.gca(); ax.set_xlim(0, 1); ax.set_ylim(0, 1); {code}; ax.set_xlim(0, 1); ax.set_ylim(0, 1)")
    found = drawn.texts("text") if "text" in code else drawn.marks()
    assert [one.visible for one in found] == ([] if visible is None else [visible])


def test_boxes_lie_on_the_ink(draw: Forker) -> None:
    drawn = draw("plt.bar([0, 1], [1, 2], color='red'); plt.axis('off'); plt.text(0.5, 1.8, 'word', color='#00ff00')")
    red = (drawn.pixels == [255, 0, 0]).all(axis=2).nonzero()
    (bar,) = drawn.marks("bar")
    assert bar.box == pytest.approx((red[1].min(), red[0].min(), red[1].max() + 1, red[0].max() + 1), abs=1)


def test_caps(draw: Forker) -> None:
    drawn = draw("plt.plot(np.arange(100_000)); plt.scatter(np.arange(100_000), np.arange(100_000))")
    assert [len(mark.data["x"]) for mark in drawn.marks()] == [2000, 2000] or len(drawn.marks()) == 2
    assert {mark.count for mark in drawn.marks()} == {100_000}
    many = draw("plt.gca().set_axis_off()\nfor i in range(5100): plt.text(0, 0, 'x')")
    assert many.description.truncated and len(many.texts()) == 5000


def test_hostile_values(draw: Forker) -> None:
    drawn = draw(
        "plt.plot([0, np.nan, np.inf, 1e308], [1, 2, 3, 4]); plt.text(np.nan, 1, 'lost'); plt.title('x' * 9000)"
    )
    assert drawn.status == "ok"
    assert drawn.marks("line")[0].data["x"][1:3] == [None, None]
    assert len(drawn.strings("title")[0]) == 4000


def calls(drawn: Drawn) -> list[str]:
    assert drawn.description.calls is not None
    return [call.name.split(" ", 1)[1] for call in drawn.description.calls if call.counted]


def colors(drawn: Drawn) -> dict[str, list[str]]:
    assert drawn.description.calls is not None
    return {call.name.split(" ", 1)[1]: call.colors for call in drawn.description.calls if not call.counted}


def test_calls(draw: Forker) -> None:
    drawn = draw(
        "ax = plt.gca(); bars = ax.barh([1, 2], [1, 2]); ax.errorbar([1], [1], yerr=1, color='k'); ax.stem([1], [1])\n"
        "plt.imshow([[1]], cmap='magma'); bars[0].set_facecolor((1, 0, 0, 1)); ax.add_patch(plt.Circle((0, 0)))",
        calls=True,
    )
    assert calls(drawn) == ["barh", "errorbar", "vlines", "plot", "plot", "imshow", "__init__"] or calls(drawn) == [
        "barh",
        "errorbar",
        "plot",
        "vlines",
        "plot",
        "imshow",
        "__init__",
    ]
    found = colors(drawn)
    assert found["imshow"] == ["magma"] and found["__init__"] == ["#1F77B4"]
    assert drawn.hooked == [] and draw("plt.bar([1], [1])").description.calls is None


def test_a_call_that_raises_blinds_the_rest(draw: Forker) -> None:
    drawn = draw("try: plt.bar([1], [1, 2, 3], bottom=[1, 2])\nexcept ValueError: pass\nplt.plot([1])", calls=True)
    assert calls(drawn) == ["bar"]


def test_text_lines(draw: Forker) -> None:
    drawn = draw(
        "fig, ax = plt.subplots(2, sharex=True); ax[0].plot([1, 2], label='$x^2$'); ax[0].legend()\n"
        "ax[0].set_title('two\\nlines'); ax[1].text(0, 0, 'inside'); ax[1].text(0, 0, 'hidden', visible=False)\n"
        "ax[1].set_xlabel('label')",
        text_lines=True,
    )
    assert sorted(drawn.description.text_lines or []) == ["$x^2$", "inside", "label", "lines", "two"]
    assert drawn.axes[1].x.ticklabels and drawn.texts("xtick")

"""Every signal against values worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chartreward.description import Axes
from chartreward.models import SignalResult, SignalUse
from chartreward.profiles.options import options_of
from tests.similarity.charts import FULL, axes, bars, chart, mark, picture, text
from worker.similarity import SIGNALS, Chart

BLUE, ORANGE, RED, GREEN = "#1f77b4", "#ff7f0e", "#ff0000", "#008000"
CODE_ONLY = sorted(set(SIGNALS) - {"execution", "color", "visual.ssim"})


def run(name: str, generated: Chart, reference: Chart, **options: Any) -> SignalResult:
    return SIGNALS[name](generated, reference, options_of(SignalUse(name=name, options=options)))


def rich() -> Chart:
    return chart(
        marks=[
            bars([1.0, 2.0, 3.0], colors=(BLUE,)),
            mark("line", (ORANGE,), data={"x": [0.0, 5.0], "y": [1.0, 50.0]}),
        ],
        texts=[text("Sales"), text("Year", "xlabel", (180, 280, 220, 295))],
        legend=[("a", BLUE), ("b", ORANGE)],
        calls=[("_axes.py bar", ["#1F77B4"]), ("_axes.py plot", ["#FF7F0E"])],
        lines=["Sales", "Year"],
        code="import matplotlib.pyplot as plt\nplt.bar([0, 1], [1, 2])\n",
    )


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_a_chart_is_like_itself(name: str) -> None:
    assert run(name, rich(), rich()).value == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", CODE_ONLY)
def test_a_picture_as_reference_is_unavailable_not_zero(name: str) -> None:
    result = run(name, rich(), picture(np.full((300, 400, 3), 255, np.uint8)))
    assert result.value is None and result.unavailable


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_empty_charts_do_not_break_a_signal(name: str) -> None:
    empty = chart(plots=[], calls=[], lines=[])
    for pair in ((empty, rich()), (rich(), empty), (empty, chart(plots=[], calls=[], lines=[]))):
        value = run(name, *pair).value
        assert value is not None and 0 <= value <= 1


class TestAttributes:
    def test_one_jaccard_over_the_union(self) -> None:
        # colours {blue} / {blue, red}: 1 of 2. texts {Sales} / {Sales}: 1 of 1. layout 6 of 6.
        # numbers x {0,1}, height {5,6}, base {0} -> {0,1,5,6} / {0,1,5,7}: 3 of 5.
        ours = chart(marks=[bars([5.0, 6.0], colors=(BLUE,))], texts=[text("Sales")])
        theirs = chart(marks=[bars([5.0, 7.0], colors=(BLUE, RED))], texts=[text("Sales")])
        assert run("attributes", ours, theirs).value == pytest.approx((1 + 1 + 6 + 3) / (2 + 1 + 6 + 5))
        by_category = run("attributes", ours, theirs, per_category=True).value
        assert by_category == pytest.approx((1 / 2 + 1 + 1 + 3 / 5) / 4)

    def test_numbers_within_a_thousandth_are_equal(self) -> None:
        ours, theirs = chart(marks=[mark(data={"y": [1000.9]})]), chart(marks=[mark(data={"y": [1000.0]})])
        assert run("attributes", ours, theirs).value == 1.0
        assert run("attributes", ours, theirs, tolerance=1e-4).value == pytest.approx(7 / 9)

    def test_rounding_to_six_significant_digits(self) -> None:
        ours, theirs = chart(marks=[mark(data={"y": [0.1234567]})]), chart(marks=[mark(data={"y": [0.1234571]})])
        assert run("attributes", ours, theirs, tolerance=0.0).value == 1.0
        assert run("attributes", ours, theirs, tolerance=0.0, digits=7).value == pytest.approx(7 / 9)

    def test_repeats_count_only_in_a_multiset(self) -> None:
        ours, theirs = chart(texts=[text("a"), text("a"), text("a")]), chart(texts=[text("a")])
        assert run("attributes", ours, theirs).value == 1.0
        assert run("attributes", ours, theirs, multiset=True).value == pytest.approx(7 / 9)


class TestText:
    def test_edit_distance(self) -> None:
        ours, theirs = chart(texts=[text("Sales 2021")]), chart(texts=[text("Sales 2020")])
        assert run("text", ours, theirs).value == pytest.approx(0.9)
        assert run("text.exact", ours, theirs).value == 0

    def test_role_and_place(self) -> None:
        ours, theirs = chart(texts=[text("Sales", "xlabel")]), chart(texts=[text("Sales")])
        assert run("text", ours, theirs).value == pytest.approx(0.5)
        # 100 px of a 500 px diagonal: 0.2 / 0.5 of the full 0.3.
        moved = chart(texts=[text("Sales", box=(250, 5, 350, 25))])
        assert run("text", moved, theirs).value == pytest.approx(1 - 0.3 * 0.4)
        assert run("text", moved, theirs, place=0.0).value == 1.0

    def test_guesses_and_repeats_cost(self) -> None:
        theirs = chart(texts=[text("Sales")])
        repeated = chart(texts=[text("Sales")] * 4)
        assert run("text", repeated, theirs).value == pytest.approx(2 / 5)
        # beta 1/2: (1 + 1/4) · 1 / (4 + 1/4 · 1); the other way round 1.25 · 1 / (1 + 1/4 · 4).
        assert run("text", repeated, theirs, beta=0.5).value == pytest.approx(1.25 / 4.25)
        assert run("text", theirs, repeated, beta=0.5).value == pytest.approx(1.25 / 2)
        assert run("text.exact", theirs, repeated, beta=0.5).value == pytest.approx(1.25 / 2)

    def test_titles_alone(self) -> None:
        theirs = chart(texts=[text("Sales 2020"), text("Year", "xlabel")])
        assert run("text.title", chart(texts=[text("Sales 2021", "suptitle")]), theirs).value == pytest.approx(0.9)
        assert run("text.title", chart(texts=[text("Sales 2020", "xlabel")]), theirs).value == 0
        untitled = chart(texts=[text("Year", "xlabel")])
        assert run("text.title", chart(), untitled).value == 1
        assert run("text.title", theirs, untitled).value == 0
        assert run("text.title", theirs, picture(theirs.pixels)).value is None

    def test_ticks_only_on_request(self) -> None:
        ours = chart(texts=[text("Sales"), text("10", "xtick")])
        theirs = chart(texts=[text("Sales"), text("20", "xtick")])
        assert run("text", ours, theirs).value == 1.0
        assert run("text.exact", ours, theirs, ticks=True).value == 0.5


class TestLayout:
    two = (axes((0, 0, 200, 300), (1, 2, 0, 0, 0, 0)), axes((200, 0, 400, 300), (1, 2, 0, 0, 1, 1)))

    def test_boxes(self) -> None:
        one = chart(plots=[self.two[0]])
        assert run("layout", one, chart(plots=list(self.two))).value == pytest.approx(2 / 3)
        half = chart(plots=[axes((0, 0, 200, 150), (2, 2, 0, 0, 0, 0))])
        assert run("layout", half, one).value == pytest.approx(0.5)

    def test_cells_and_exact(self) -> None:
        one = chart(plots=[self.two[0]])
        both = chart(plots=list(self.two))
        assert run("layout", one, both, match="cells").value == pytest.approx(2 / 3)
        assert run("layout", one, both, match="cells", exact=True).value == 0
        assert run("layout", both, both, match="cells", exact=True).value == 1

    def test_grid_as_it_is_seen(self) -> None:
        def drawn(*plots: Axes) -> Chart:
            return chart(plots=list(plots), marks=[mark(axes=index) for index in range(len(plots))])

        one, both = drawn(self.two[0]), drawn(*self.two)
        # No axes in its place of the same grid, one of one and two axes: (0 + 1) / 2 matches of 1 and 2.
        assert run("layout", one, both, match="grid").value == pytest.approx(2 * 0.5 / 3)
        stacked = drawn(axes((0, 0, 400, 150)), axes((0, 150, 400, 300)))
        assert run("layout", stacked, both, match="grid").value == pytest.approx(2 * 1 / 4)
        # Two in their places, one of them polar: (1 + 1) / 2 matches of 2 and 2.
        polar = drawn(self.two[0], self.two[1].model_copy(update={"projection": "polar"}))
        assert run("layout", polar, both, match="grid").value == pytest.approx(1 / 2)
        # How the code asked for its axes, and a few pixels of margin, make no difference.
        placed = [axes(box).model_copy(update={"cell": None}) for box in ((10, 0, 190, 290), (215, 0, 390, 300))]
        assert run("layout", drawn(*placed), both, match="grid", exact=True).value == 1
        assert run("layout", stacked, both, match="grid", exact=True).value == 0
        assert run("layout", chart(plots=[]), chart(plots=[]), match="grid").value == 1

    def test_axes_that_nobody_sees_fill_no_grid(self) -> None:
        marks = [mark(axes=0), mark(axes=1)]
        both = chart(plots=list(self.two), marks=marks)
        tiny = chart(plots=[self.two[0], axes((300, 150, 315, 160))], marks=marks)
        outside = chart(plots=[self.two[0], axes((390, 0, 590, 300))], marks=marks)
        empty = chart(plots=list(self.two), marks=marks[:1])
        for one in (tiny, outside, empty):
            assert run("layout", one, both, match="grid").value == pytest.approx(2 * 0.5 / 3)
        titled = chart(plots=list(self.two), marks=marks[:1], texts=[text("Sales", axes=1)])
        assert run("layout", titled, both, match="grid").value == 1

    def test_colour_bars_are_not_plots(self) -> None:
        bar = axes((360, 0, 390, 300), (1, 1, 0, 0, 0, 0), colorbar=True)
        assert run("layout", chart(plots=[axes(), bar]), chart()).value == 1.0


class TestChartType:
    def test_kinds(self) -> None:
        ours, theirs = chart(marks=[bars([1.0])]), chart(marks=[bars([1.0]), mark("line")])
        assert run("chart_type", ours, theirs).value == pytest.approx(2 / 3)
        assert run("chart_type", ours, theirs, exact=True).value == 0

    def test_repeats_count_by_their_root(self) -> None:
        ours, theirs = chart(marks=[mark("line")]), chart(marks=[mark("line")] * 4)
        assert run("chart_type", ours, theirs).value == pytest.approx(2 / 3)
        assert run("chart_type", ours, theirs, exact=True).value == 1

    def test_orientation_and_projection(self) -> None:
        flat = chart(marks=[mark(orientation="horizontal")])
        assert run("chart_type", flat, chart(marks=[mark(orientation="vertical")])).value == 0
        polar = chart(marks=[mark("line")], plots=[axes(projection="polar")])
        assert run("chart_type", polar, chart(marks=[mark("line")])).value == 0


class TestColor:
    def test_difference_scale(self) -> None:
        ours, theirs = chart(marks=[mark(colors=("#ff0000",))]), chart(marks=[mark(colors=("#fe0000",))])
        assert (run("color", ours, theirs).value or 0) > 0.99
        assert (run("color", chart(marks=[mark(colors=("#0000ff",))]), theirs).value or 0) < 0.001

    def test_half_the_colours(self) -> None:
        ours, theirs = chart(marks=[mark(colors=(RED,))]), chart(marks=[mark(colors=(RED,)), mark(colors=("#0000ff",))])
        assert run("color", ours, theirs).value == pytest.approx(0.5, abs=1e-6)

    def test_guessed_colours_cost(self) -> None:
        theirs = chart(marks=[mark(colors=(RED,))])
        many = chart(marks=[mark(colors=(RED,))] + [mark(colors=(f"#{i * 20:02x}ff{i * 20:02x}",)) for i in range(9)])
        assert (run("color", many, theirs).value or 0) == pytest.approx(0.1, abs=0.01)

    def test_palette_of_a_picture(self) -> None:
        pixels = np.full((300, 400, 3), 255, np.uint8)
        pixels[100:200, 100:300] = (255, 0, 0)
        result = run("color", chart(pixels=pixels), picture(pixels.copy()))
        assert result.value == pytest.approx(1.0)
        assert result.evidence is not None and result.evidence["source"] == "pixels"


class TestData:
    def test_range_kernel(self) -> None:
        # One of two bars is off by 5 of 100 shown: exp(-1) of the 0.8 that length weighs.
        ours, theirs = chart(marks=[bars([10.0, 20.0])]), chart(marks=[bars([10.0, 25.0])])
        assert run("data", ours, theirs).value == pytest.approx((1 + 0.2 + 0.8 * np.exp(-1)) / 2)

    def test_cerm_and_tolerance_kernels(self) -> None:
        ours, theirs = chart(marks=[bars([10.0, 20.0])]), chart(marks=[bars([10.0, 25.0])])
        assert run("data", ours, theirs, kernel="cerm").value == pytest.approx((1 + 0.2 + 0.8 / 1.2) / 2)
        assert run("data", ours, theirs, kernel="tolerance").value == pytest.approx((1 + 0.2) / 2)

    def test_points_in_any_order_lines_in_theirs(self) -> None:
        there = {"x": [1.0, 2.0, 9.0], "y": [10.0, 90.0, 30.0]}
        back = {"x": [9.0, 2.0, 1.0], "y": [30.0, 90.0, 10.0]}
        assert (
            run("data", chart(marks=[mark("points", data=back)]), chart(marks=[mark("points", data=there)])).value == 1
        )
        lines = run("data", chart(marks=[mark("line", data=back)]), chart(marks=[mark("line", data=there)])).value
        assert lines is not None and lines < 0.5

    def test_lines_sampled_differently(self) -> None:
        coarse = mark("line", data={"x": [0.0, 10.0], "y": [0.0, 100.0]})
        fine = mark("line", data={"x": [i / 10 for i in range(101)], "y": [float(i) for i in range(101)]})
        assert run("data", chart(marks=[coarse]), chart(marks=[fine])).value == pytest.approx(1.0)

    def test_series_paired_optimally(self) -> None:
        low, high = bars([1.0, 2.0]), bars([80.0, 90.0])
        assert run("data", chart(marks=[high, low]), chart(marks=[low, high])).value == pytest.approx(1.0)
        assert run("data", chart(marks=[low]), chart(marks=[low, high])).value == pytest.approx(2 / 3)

    def test_wedges_and_images(self) -> None:
        pie = mark("wedge", data={"theta1": [0.0, 90.0], "theta2": [90.0, 360.0]})
        assert run("data", chart(marks=[pie]), chart(marks=[pie])).value == pytest.approx(1.0)
        image = mark("image", data={"value": [0.0, 1.0, 2.0, 3.0]}, shape=[2, 2])
        other = mark("image", data={"value": [3.0, 2.0, 1.0, 0.0]}, shape=[2, 2])
        assert run("data", chart(marks=[image]), chart(marks=[image])).value == pytest.approx(1.0)
        assert (run("data", chart(marks=[other]), chart(marks=[image])).value or 0) < 0.01

    def test_another_kind_does_not_match(self) -> None:
        line = mark("line", data={"x": [0.0, 1.0], "y": [10.0, 20.0]})
        assert run("data", chart(marks=[line]), chart(marks=[bars([10.0, 20.0])])).value == 0


class TestTheRest:
    def test_legend(self) -> None:
        ours, theirs = chart(legend=[("a", RED)]), chart(legend=[("a", RED), ("b", GREEN)])
        assert run("legend", ours, theirs).value == pytest.approx(2 / 3)
        assert run("legend", chart(), theirs).value == 0
        assert run("legend", chart(), chart()).value == 1

    def test_grid(self) -> None:
        from chartreward.description import Axis

        both = axes(x=Axis(limits=(0, 1), grid=True), y=Axis(limits=(0, 1), grid=True))
        only_y = axes(x=Axis(limits=(0, 1)), y=Axis(limits=(0, 1), grid=True))
        assert run("grid", chart(plots=[only_y]), chart(plots=[both])).value == pytest.approx(2 / 3)
        assert run("grid", chart(plots=[only_y]), chart()).value == 0

    def test_axes(self) -> None:
        from chartreward.description import Axis

        half = axes(y=Axis(limits=(0, 50)))
        # x agrees: 1. y: limits overlap by half, scale agrees, no labels on either side.
        assert run("axes", chart(plots=[half]), chart()).value == pytest.approx((1 + 0.4 * 0.5 + 0.2 + 0.4) / 2)
        log = axes(y=Axis(limits=(0, 100), scale="log"))
        assert run("axes", chart(plots=[log]), chart()).value == pytest.approx((1 + 0.4 + 0.4) / 2)

    def test_style(self) -> None:
        ours = chart(marks=[mark("line", linestyle="--", linewidth=1.0)])
        theirs = chart(marks=[mark("line", linestyle="-", linewidth=2.0)])
        # linestyle 0, linewidth 0.5, alpha, frame, background and aspect 1.
        assert run("style", ours, theirs).value == pytest.approx((0 + 0.5 + 4) / 6)

    def test_code(self) -> None:
        # trigrams of "a = 1 b" are (a,=,1), (=,1,b); of "a = 1 c": one of two shared.
        assert run("code", chart(code="a = 1 b  # note"), chart(code="a = 1 c")).value == pytest.approx(0.5)

    def test_ssim_of_a_shifted_square_falls(self) -> None:
        def square(left: int) -> Chart:
            pixels = np.full((300, 400, 3), 255, np.uint8)
            pixels[100:200, left : left + 100] = 0
            return chart(pixels=pixels)

        values = [run("visual.ssim", square(100 + shift), square(100)).value or 0 for shift in (0, 4, 40, 150)]
        assert values[0] == pytest.approx(1.0) and values == sorted(values, reverse=True) and values[-1] < 0.2

    def test_plot2code(self) -> None:
        near, far = text("Sales", box=(160, 5, 260, 25)), text("Sales", box=(180, 5, 280, 25))
        assert run("plot2code.text", chart(texts=[near]), chart(texts=[text("Sales")])).value == 1  # 10 px
        assert run("plot2code.text", chart(texts=[far]), chart(texts=[text("Sales")])).value == 0  # 30 px


class TestChartMimic:
    def test_text_and_type_are_multisets(self) -> None:
        ours, theirs = chart(lines=["a", "a", "b"]), chart(lines=["a", "c"])
        assert run("chartmimic.text", ours, theirs).value == pytest.approx(2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2))
        ours = chart(calls=[("bar", []), ("bar", []), ("plot", [])])
        assert run("chartmimic.chart_type", ours, chart(calls=[("bar", [])])).precision == pytest.approx(1 / 3)

    def test_empty_sides_score_zero_even_against_themselves(self) -> None:
        nothing = chart(lines=[], calls=[])
        assert run("chartmimic.text", nothing, nothing).value == 0
        assert run("chartmimic.color", nothing, nothing).value == 0

    def test_layout_counts_colour_bars_and_the_graph_category(self) -> None:
        ours = chart(plots=[axes(), axes(cell=(1, 2, 0, 0, 1, 1))])
        assert run("chartmimic.layout", ours, chart()).value == pytest.approx(2 / 3)
        bare = axes().model_copy(update={"cell": None})
        assert run("chartmimic.layout", chart(plots=[bare]), chart(plots=[bare])).value == 0
        assert run("chartmimic.layout", chart(plots=[bare]), chart(), graph=True).value == 1

    def test_colours_are_assigned_within_a_function(self) -> None:
        ours = chart(calls=[("bar", ["#000000", "#FFFFFF"]), ("plot", ["viridis"])])
        theirs = chart(calls=[("bar", ["#FFFFFF", "#000000"]), ("plot", ["magma"])])
        result = run("chartmimic.color", ours, theirs)
        assert result.f1 == pytest.approx(2 / 3) and result.generated == 3
        mixed = chart(calls=[("bar", ["#000000"]), ("plot", ["#000000"])])
        assert run("chartmimic.color", mixed, chart(calls=[("plot", ["magma"])])).value == 0

    def test_more_than_ten_colours_are_filtered(self) -> None:
        shades = [f"#{level:02X}0000" for level in range(250, 130, -10)]
        assert run("chartmimic.color", chart(calls=[("bar", shades)]), chart(calls=[("bar", shades)])).generated == 1


def test_thousands_of_artists_do_not_hang() -> None:
    import time

    rng = np.random.default_rng(0)
    names = [f"#{value:06x}" for value in rng.integers(0, 1 << 24, 6000)]

    def many(offset: int) -> Chart:
        return chart(
            marks=[
                mark("patch", (color,), data={"x": [float(i)], "y": [float(i + offset)]})
                for i, color in enumerate(names)
            ],
            texts=[text(f"text {i + offset}", "text") for i in range(6000)],
            calls=[("bar", names[:3000]), ("bar", names[3000:])],
            lines=[],
        )

    ours, theirs = many(0), many(3)
    for name in SIGNALS:
        started = time.thread_time()
        run(name, ours, theirs)
        assert time.thread_time() - started < 20, name


def test_ten_thousand_colours_are_assigned_in_bounded_time() -> None:
    """CPU time: a factorial or cubic assignment of 10,000 would take hours."""
    import time

    def many(offset: int) -> Chart:
        names = [f"#{(value * 1237 + offset) % (1 << 24):06x}" for value in range(10_000)]
        return chart(
            marks=[mark("patch", tuple(names[start : start + 250])) for start in range(0, 10_000, 250)],
            calls=[("bar", names[:5000]), ("plot", names[5000:])],
        )

    ours, theirs = many(0), many(7)
    started = time.thread_time()
    for name in ("color", "chartmimic.color"):
        value = run(name, ours, theirs).value
        assert value is not None and 0 < value <= 1, name
    assert time.thread_time() - started < 30


def test_the_box_of_the_fixture_is_inside_its_canvas() -> None:
    assert 0 <= FULL[0] < FULL[2] <= 400

"""Bare pictures: frames drawn by hand, words as a reader gives them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from chartreward.profiles.options import LayoutOptions, TextOptions
from tests.similarity.charts import axes, chart, mark, picture, text
from worker.similarity import Chart, layout
from worker.similarity import text as text_signal
from worker.similarity.picture import frames, joined, split_lines
from worker.vision.ocr import Line


def canvas(*boxes: tuple[int, int, int, int], open_frame: bool = False) -> NDArray[np.uint8]:
    """A white 400 x 300 picture with black frames."""
    pixels = np.full((300, 400, 3), 255, np.uint8)
    for left, top, right, bottom in boxes:
        pixels[bottom, left : right + 1] = pixels[top : bottom + 1, left] = 0
        if not open_frame:
            pixels[top, left : right + 1] = pixels[top : bottom + 1, right] = 0
        pixels[(top + bottom) // 2 :: 9, left + 5 : right - 5 : 3] = pixels[top, left]
    return pixels


def test_a_frame_is_found_where_it_is() -> None:
    found = frames(picture(canvas((50, 30, 350, 270))))
    assert found == pytest.approx(np.array([[50, 30, 350, 270]]), abs=2)


def test_an_open_frame_is_found_by_its_left_and_bottom_sides() -> None:
    found = frames(picture(canvas((50, 30, 350, 270), open_frame=True)))
    assert found == pytest.approx(np.array([[50, 30, 350, 270]]), abs=2)


def test_bars_and_borders_are_no_frames() -> None:
    pixels = canvas((0, 0, 399, 299))
    for left in (60, 160, 260):
        pixels[100:290, left : left + 80] = (31, 119, 180)
    assert len(frames(picture(pixels))) == 0
    assert len(frames(picture(np.full((300, 400, 3), 255, np.uint8)))) == 0


def test_stripes_take_no_longer() -> None:
    pixels = np.full((2000, 2000, 3), 255, np.uint8)
    pixels[::2] = 0
    assert frames(picture(pixels)).shape[1] == 4


def test_layout_against_a_picture() -> None:
    bare = picture(canvas((50, 30, 350, 270)))
    result = layout.compare(chart(plots=[axes(), axes(twin=0)]), bare, LayoutOptions())
    assert result.value == pytest.approx(1.0, abs=0.02) and (result.generated, result.reference) == (1, 1)
    half = chart(plots=[axes((50.0, 30.0, 200.0, 270.0))])
    assert layout.compare(half, bare, LayoutOptions()).value == pytest.approx(0.5, abs=0.02)
    assert layout.compare(half, bare, LayoutOptions(exact=True)).value == 0
    assert layout.compare(chart(), bare, LayoutOptions(exact=True)).value == 1
    half = chart(plots=[axes((50.0, 30.0, 200.0, 270.0))], marks=[mark()])
    assert layout.compare(half, bare, LayoutOptions(match="grid")).value == 1  # its place in the grid, not its size
    boxes = [(50.0, 30.0, 200.0, 270.0), (210.0, 30.0, 350.0, 270.0)]
    two = chart(plots=[axes(box) for box in boxes], marks=[mark(axes=0), mark(axes=1)])
    assert layout.compare(two, bare, LayoutOptions(match="grid")).value == pytest.approx(1 / 3)
    cells = layout.compare(chart(), bare, LayoutOptions(match="cells"))
    assert cells.value is None and cells.unavailable


def test_upright_words_become_one_line() -> None:
    words = [
        Line("euros", (13, 155, 28, 201)),
        Line("Million", (10, 193, 28, 247)),
        Line("Year", (100, 280, 140, 295)),
        Line("7", (30, 60, 36, 75)),
    ]
    assert {line.string for line in joined(words)} == {"Million euros", "Year", "7"}


def test_a_described_text_gives_its_drawn_lines() -> None:
    flat, upright = text("one\ntwo", box=(0, 0, 100, 40)), text("a\nb", "ylabel", (0, 0, 20, 100), rotation=90)
    assert split_lines([flat]) == [Line("one", (0, 0, 100, 20)), Line("two", (0, 20, 100, 40))]
    assert [line.box for line in split_lines([upright])] == [(0, 0, 10, 100), (10, 0, 20, 100)]


def test_text_against_what_a_reader_saw() -> None:
    # "Sales 2O21" misread in one of ten letters, the tick label right: (0.9 + 1) pairs of 2 and 2.
    seen = [Line("Sales 2O21", (150, 5, 250, 25)), Line("10", (40, 270, 60, 280))]
    bare = Chart(np.full((300, 400, 3), 255, np.uint8), None, read_lines=lambda _: seen)
    ours = chart(texts=[text("Sales 2021"), text("10", "xtick", (40, 270, 60, 280))])
    result = text_signal.soft(ours, bare, TextOptions())
    assert result.value == pytest.approx(0.95) and result.evidence and result.evidence["source"] == "ocr"
    assert text_signal.exact(ours, bare, TextOptions()).value == pytest.approx(0.5)
    assert text_signal.soft(ours, picture(bare.pixels), TextOptions()).value is None

"""Whose ink a claim lives on: pixels drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from chartreward.description import ChartDescription, Mark, Text
from tests.similarity.charts import FULL, HEIGHT, WIDTH, axes, mark, text
from worker import integrity
from worker.ink import is_written

GREEN = "#2ca02c"
BLANK = np.zeros((20, 100), bool)


def letters(first: int = 0, last: int = 100) -> np.ndarray:
    """Strokes as of writing: every second column, half of the rows."""
    ink = BLANK.copy()
    ink[4:14, first:last:2] = True
    return ink


def test_writing_is_spread_over_its_box() -> None:
    title = text("Quarterly results")
    line, surface, word = BLANK.copy(), BLANK.copy(), letters(40, 55)
    line[10] = True
    surface[:] = True
    assert is_written(title, letters(), BLANK)
    assert not any(is_written(title, ink, BLANK) for ink in (line, surface, word, BLANK))


def test_ink_in_other_texts_boxes_is_theirs() -> None:
    title, taken = text("Quarterly results"), BLANK.copy()
    taken[:, :60] = True
    assert not is_written(title, letters(0, 60), taken)
    assert is_written(title, letters(), taken)
    taken[:] = True
    assert not is_written(title, letters(), taken)


@pytest.mark.parametrize(("string", "rotation"), [("$x^2$", 0), ("--- *** ---", 0), ("Quarterly", 30), ("ab", 0)])
def test_what_is_not_judged(string: str, rotation: float) -> None:
    assert is_written(text(string, rotation=rotation), BLANK, BLANK)


def test_upright_writing_is_judged_along_its_line() -> None:
    label = text("Million euros", "ylabel", rotation=90)
    assert is_written(label, letters().T, BLANK.T) and not is_written(label, letters(0, 10).T, BLANK.T)


def drawn(*marks: Mark, texts: tuple[Text, ...] = ()) -> tuple[ChartDescription, np.ndarray]:
    """Green bars of heights 50 at 2 and 5 on the axes of 0..10 by 0..100, and claims about them."""
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    left, top, right, bottom = (int(side) for side in FULL)
    for x in (2, 5):
        middle, half = left + x * (right - left) // 10, (right - left) // 25
        pixels[(top + bottom) // 2 : bottom, middle - half : middle + half] = (44, 160, 44)
    described = ChartDescription(
        width=WIDTH, height=HEIGHT, figsize=(4, 3), axes=[axes()], texts=list(texts), marks=list(marks)
    )
    return described, pixels


def two_bars() -> Mark:
    data = {"x": [2.0, 5.0], "y": [50.0, 50.0], "base": [0.0, 0.0], "width": [0.8, 0.8]}
    return mark("bar", (GREEN,), data=data, orientation="vertical")


def kinds(described: ChartDescription, pixels: np.ndarray) -> list[str]:
    return [kept.kind for kept in integrity.check(described, pixels)[0].marks]


def test_a_line_does_not_live_on_bars_of_its_colour() -> None:
    on_bars = mark("line", (GREEN,), data={"x": [2.0, 5.0], "y": [20.0, 40.0]})
    points = mark("points", (GREEN,), data={"x": [2.0, 5.0], "y": [20.0, 40.0]}, marker="o")
    assert kinds(*drawn(two_bars(), on_bars, points)) == ["bar"]


def test_a_line_that_shows_beside_the_bars_stays() -> None:
    described, pixels = drawn(two_bars(), mark("line", (GREEN,), data={"x": [6.0, 9.0], "y": [80.0, 80.0]}))
    assert kinds(described, pixels) == ["bar"]
    pixels[77:80, 230:320] = (44, 160, 44)
    assert kinds(described, pixels) == ["bar", "line"]


def test_of_two_equal_bars_the_first_has_the_ink() -> None:
    assert kinds(*drawn(two_bars(), two_bars())) == ["bar"]


def test_white_on_white_is_not_seen_beside_a_bar() -> None:
    beside = mark("line", ("#f8f8f8",), data={"x": [1.6] * 5, "y": [0.0, 60.0, 70.0, 80.0, 90.0]})
    assert kinds(*drawn(two_bars(), beside)) == ["bar"]


def test_different_words_in_one_place_are_both_lost_the_same_word_is_not() -> None:
    box = (100.0, 280.0, 160.0, 295.0)
    assert integrity.overwritten([text("Time", box=box), text("Hour", box=box)]) == {0, 1}
    assert integrity.overwritten([text("Time", box=box), text("Time", box=box)]) == {0}
    assert integrity.overwritten([text("Time", box=box), text("Hour", box=(180.0, 280.0, 240.0, 295.0))]) == set()


def test_nothing_counts_on_a_picture_of_a_few_pixels() -> None:
    described, pixels = drawn(two_bars(), texts=(text("Sales"),))
    small = described.model_copy(update={"width": 40, "height": 30})
    kept, found = integrity.check(small, pixels[:30, :40])
    assert not kept.marks and not kept.texts and found.unsupported == 2

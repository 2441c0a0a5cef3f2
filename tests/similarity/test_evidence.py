"""Evidence: what a signal's number rests on, for people to look at."""

from __future__ import annotations

import numpy as np

from chartreward.profiles.options import (
    AttributesOptions,
    ChartTypeOptions,
    ColorOptions,
    DataOptions,
    LayoutOptions,
    TextOptions,
)
from tests.similarity.charts import bars, chart, mark, text
from worker.similarity import attributes, chart_type, color, data, layout
from worker.similarity import text as text_signal
from worker.similarity.visual import local_similarity


def test_text_names_what_matched_what_is_missing_and_what_is_extra() -> None:
    ours = chart(texts=[text("Sales"), text("zzzz", role="legend")])
    theirs = chart(texts=[text("Sales"), text("Year", role="xlabel")])
    result = text_signal.soft(ours, theirs, TextOptions())
    found = {"pairs": [("Sales", "Sales", 1.0)], "missing": ["Year"], "extra": ["zzzz"], "source": "description"}
    assert result.evidence == found
    nothing = text_signal.soft(chart(), theirs, TextOptions())
    assert nothing.evidence == {"pairs": [], "missing": ["Sales", "Year"], "extra": [], "source": "description"}
    exact = text_signal.exact(ours, theirs, TextOptions())
    assert exact.evidence == {"pairs": [("Sales", "Sales", 1.0)], "missing": ["Year"], "extra": ["zzzz"]}


def test_colors_come_with_their_distance() -> None:
    # CIEDE2000 of pure red and pure green, by an independent calculator: 86.6.
    result = color.compare(
        chart(marks=[mark(colors=("#ff0000",))]), chart(marks=[mark(colors=("#00ff00",))]), ColorOptions()
    )
    assert result.evidence is not None
    ours, theirs, _, apart = result.evidence["pairs"][0]
    assert (ours, theirs) == ("#ff0000", "#00ff00")
    assert abs(apart - 86.61) < 0.05


def test_series_are_named_by_their_place_in_both_descriptions() -> None:
    ours = chart(marks=[bars([9, 9, 9]), bars([1, 2, 3])])
    theirs = chart(marks=[bars([1, 2, 3])])
    result = data.compare(ours, theirs, DataOptions())
    assert result.evidence == {"series": [(0, 0, "bar", 1, 0, 1.0)]}


def test_layout_attributes_and_types() -> None:
    ours, theirs = chart(marks=[bars([1, 2])], texts=[text("A")]), chart(marks=[mark("line")], texts=[text("B")])
    assert layout.compare(ours, theirs, LayoutOptions()).evidence == {"axes": [(0, 0, 1.0)]}
    found = attributes.compare(ours, theirs, AttributesOptions()).evidence
    assert found is not None
    assert found["missing"]["text"] == ["B"] and found["extra"]["text"] == ["A"]
    kinds = chart_type.compare(ours, theirs, ChartTypeOptions()).evidence
    assert kinds == {"counts": [("bar", "rectilinear", "vertical", 1, 0), ("line", "rectilinear", "", 0, 1)]}


def test_local_similarity_is_one_cosine_a_place() -> None:
    ours = np.zeros((2, 1, 2), np.float32)
    ours[:, 0, 0], ours[:, 0, 1] = (1, 0), (1, 0)
    theirs = ours.copy()
    theirs[:, 0, 1] = (0, 1)
    assert local_similarity([ours], [theirs]) == [[[1.0, 0.0]]]

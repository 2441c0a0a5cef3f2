"""`attributes`: ChartSimRL's Jaccard over colours, numbers, texts and layout.

Source: ChartMaster (arXiv 2508.17608). A(chart) = Color ∪ Number ∪ Text ∪ Layout,
R_attr = |A_gen ∩ A_ref| / |A_gen ∪ A_ref|.
Colours are those of marks, numbers the values that marks draw (data coordinates), texts the strings on the canvas,
layout the key/value pairs nrows, ncols, row_start, row_end, col_start, col_end of every axes. Tokens carry their
category. The paper leaves open whether A is a set, how numbers are compared and how the categories are pooled: see
AttributesOptions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

from chartreward.models import SignalResult
from chartreward.profiles.options import AttributesOptions
from worker.similarity.chart import Chart
from worker.similarity.signal import Signal, unavailable, unit

MAX_SHOWN = 30  # tokens of a category in the evidence
TICKS = frozenset({"xtick", "ytick", "ztick"})


def _significant(value: float, digits: int) -> float:
    return float(f"{value:.{digits - 1}e}")


def tokens(chart: Chart, options: AttributesOptions) -> tuple[dict[str, list[Hashable]], list[float]]:
    """A chart's discrete tokens by category (color, text, layout) and its numbers, repeats included."""
    description = chart.description
    assert description is not None
    marks = [mark for mark in description.marks if mark.visible]
    colors: list[Hashable] = [color for mark in marks for color in (*mark.colors, *mark.edgecolors)]
    texts: list[Hashable] = [
        text.string.strip()
        for text in description.texts
        if text.visible and text.string.strip() and (options.tick_labels or text.role not in TICKS)
    ]
    layout: list[Hashable] = [
        pair
        for axes in description.axes
        if axes.visible and axes.cell is not None
        for pair in axes.cell.model_dump().items()
    ]
    numbers = [
        _significant(value, options.digits)
        for mark in marks
        for values in mark.data.values()
        for value in values
        if value is not None
    ]
    return {"color": colors, "text": texts, "layout": layout}, numbers


def match_numbers(ours: Sequence[float], theirs: Sequence[float], tolerance: float) -> int:
    """Largest number of pairs that are equal within `tolerance` relative to the larger magnitude.

    Both sorted, the smaller of the two heads that do not match is passed over: optimal on a line, O(n log n).
    """
    ours, theirs = sorted(ours), sorted(theirs)
    matched = i = j = 0
    many, others = len(ours), len(theirs)
    while i < many and j < others:
        left, right = ours[i], theirs[j]
        high, low = abs(left), abs(right)
        if abs(left - right) <= tolerance * (high if high > low else low):
            matched, i, j = matched + 1, i + 1, j + 1
        elif left < right:
            i += 1
        else:
            j += 1
    return matched


def _numbers(chart: Chart, options: AttributesOptions) -> list[float]:
    """A chart's numbers to be matched, in order; each once, unless it is a multiset."""
    _, numbers = chart.derive(tokens, options)
    return sorted(numbers if options.multiset else set(numbers))


def _overlap(ours: Iterable[Hashable], theirs: Iterable[Hashable], multiset: bool) -> tuple[int, int, int]:
    left, right = Counter(ours), Counter(theirs)
    if not multiset:
        left, right = Counter(dict.fromkeys(left, 1)), Counter(dict.fromkeys(right, 1))
    return (left & right).total(), left.total(), right.total()


def _unmatched(
    ours: dict[str, list[Hashable]], theirs: dict[str, list[Hashable]]
) -> dict[str, dict[str, list[Hashable]]]:
    """Tokens of one side alone, by category: `missing` are the reference's, `extra` the generated chart's."""
    sides = {"missing": (theirs, ours), "extra": (ours, theirs)}
    return {
        side: {name: list((Counter(here[name]) - Counter(there[name])).keys())[:MAX_SHOWN] for name in here}
        for side, (here, there) in sides.items()
    }


def compare(generated: Chart, reference: Chart, options: AttributesOptions) -> SignalResult:
    """Jaccard index of the two attribute sets, in [0, 1]; both empty counts as 1."""
    if generated.description is None or reference.description is None:
        return unavailable("the reference is a picture: it has no attributes to read")

    ours, theirs = generated.derive(tokens, options)[0], reference.derive(tokens, options)[0]
    our_numbers, their_numbers = generated.derive(_numbers, options), reference.derive(_numbers, options)
    counts = {name: _overlap(ours[name], theirs[name], options.multiset) for name in ours}
    matched = match_numbers(our_numbers, their_numbers, options.tolerance)
    counts["number"] = (matched, len(our_numbers), len(their_numbers))
    jaccards = {name: both / (left + right - both) for name, (both, left, right) in counts.items() if left + right > 0}
    both, left, right = (sum(column) for column in zip(*counts.values(), strict=True))
    if options.per_category:
        value = sum(jaccards.values()) / len(jaccards) if jaccards else 1.0
    else:
        value = both / (left + right - both) if left + right else 1.0
    return SignalResult(
        value=unit(value),
        precision=unit(both / left) if left else None,
        recall=unit(both / right) if right else None,
        matched=both,
        generated=left,
        reference=right,
        evidence={"jaccard": jaccards, "counts": counts, **_unmatched(ours, theirs)},
    )


SIGNAL = Signal("attributes", compare)

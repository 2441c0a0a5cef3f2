"""ChartMimic's four low-level metrics, as its evaluators compute them: `chartmimic.{text,layout,chart_type,color}`.

Source: ChartMimic (arXiv 2406.09961), its published evaluators. Each is F1 = 2PR/(P+R) of P = n/|G| and R = n/|R|, 0
when either side is empty (also for a chart against itself: documented zeros, kept). Left out on purpose: a stale
chart_type when the generated side is empty, and the hash-seed order of the colour filter (here: order of first
appearance).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from chartreward.description import ChartDescription
from chartreward.models import SignalResult
from chartreward.profiles.options import ChartMimicLayoutOptions, NoOptions
from worker.similarity.chart import Chart
from worker.similarity.ciede2000 import differences
from worker.similarity.matching import best_pairs
from worker.similarity.signal import Signal, unavailable, unit

NEEDS_CODE = "the reference is a picture: it has no plotting calls"
FILTER_ABOVE = 10
FILTER_SIMILARITY = 0.7


def _f1(matched: float, generated: int, reference: int) -> SignalResult:
    """The originals' arithmetic: nothing on either side gives 0, not 1."""
    precision = matched / generated if generated else 0.0
    recall = matched / reference if reference else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
    return SignalResult(
        value=unit(f1),
        precision=unit(precision),
        recall=unit(recall),
        f1=unit(f1),
        matched=round(matched),
        generated=generated,
        reference=reference,
    )


def _multisets(ours: Iterable[Hashable], theirs: Iterable[Hashable]) -> SignalResult:
    left, right = Counter(ours), Counter(theirs)
    return _f1((left & right).total(), left.total(), right.total())


def _both(generated: Chart, reference: Chart) -> tuple[ChartDescription, ChartDescription] | None:
    if generated.description is None or reference.description is None:
        return None
    return generated.description, reference.description


def text(generated: Chart, reference: Chart, options: NoOptions) -> SignalResult:
    """Multiset F1 of the lines of text drawn after removing ticks; exact equality."""
    pair = _both(generated, reference)
    if pair is None or pair[1].text_lines is None:
        return unavailable(NEEDS_CODE)
    return _multisets(pair[0].text_lines or (), pair[1].text_lines)


def layout(generated: Chart, reference: Chart, options: ChartMimicLayoutOptions) -> SignalResult:
    """Multiset F1 of (nrows, ncols, row_start, row_end, col_start, col_end) of every axes that has a subplot spec.

    For ChartMimic's `graph` category (option `graph`) every axes counts as the only cell of a 1 x 1 grid.
    """
    pair = _both(generated, reference)
    if pair is None:
        return unavailable(NEEDS_CODE)

    def cells(description: ChartDescription) -> list[Hashable]:
        if options.graph:
            return [(1, 1, 0, 1, 0, 1) for _ in description.axes]
        return [tuple(axes.cell.model_dump().values()) for axes in description.axes if axes.cell is not None]

    return _multisets(cells(pair[0]), cells(pair[1]))


def chart_type(generated: Chart, reference: Chart, options: NoOptions) -> SignalResult:
    """Σ min of the counts of outermost plotting calls by defining file and function."""
    pair = _both(generated, reference)
    if pair is None or pair[1].calls is None:
        return unavailable(NEEDS_CODE)
    ours, theirs = pair[0].calls or (), pair[1].calls
    return _multisets((c.name for c in ours if c.counted), (c.name for c in theirs if c.counted))


def color_items(description: ChartDescription) -> list[tuple[str, str]]:
    """Distinct (function, colour) items; above FILTER_ABOVE of them, any colour too like a kept one is dropped."""
    items = list(dict.fromkeys((call.name, color) for call in description.calls or () for color in call.colors))
    if len(items) <= FILTER_ABOVE:
        return items
    # Names of colour maps are like nothing but themselves: the first of each stays.
    chosen = set({color: item for item in reversed(items) if not (color := item[1]).startswith("#")}.values())
    # Taking the first and dropping all like it, again and again, is the greedy filter; kept colours lie at least 30
    # CIEDE2000 apart, so there are few rounds however many items there are.
    left = [item for item in items if item[1].startswith("#")]
    while left:
        chosen.add(left[0])
        like = similarities([left[0][1]], [color for _, color in left])[0]
        left = [item for item, near in zip(left[1:], like[1:], strict=True) if near <= FILTER_SIMILARITY]
    return [item for item in items if item in chosen]


def similarities(ours: Sequence[str], theirs: Sequence[str]) -> np.ndarray:
    """(n, m): max(0, 1 - CIEDE2000/100) of two hex colours, 1 or 0 of two colormap names, 0 of one of each."""
    table = np.array([[float(a == b) for b in theirs] for a in ours], dtype=np.float64).reshape(len(ours), len(theirs))
    rows = [i for i, color in enumerate(ours) if color.startswith("#")]
    columns = [j for j, color in enumerate(theirs) if color.startswith("#")]
    if rows and columns:
        apart = differences([ours[i] for i in rows], [theirs[j] for j in columns])
        table[np.ix_(rows, columns)] = np.maximum(0.0, 1.0 - apart / 100.0)
    return table


def color(generated: Chart, reference: Chart, options: NoOptions) -> SignalResult:
    """Per function the best assignment's summed similarity; P = S/|G|, R = S/|R| over all items."""
    pair = _both(generated, reference)
    if pair is None or pair[1].calls is None:
        return unavailable(NEEDS_CODE)
    ours, theirs = color_items(pair[0]), color_items(pair[1])
    total = 0.0
    for function in {name for name, _ in ours} & {name for name, _ in theirs}:
        table = similarities([c for name, c in ours if name == function], [c for name, c in theirs if name == function])
        total += sum(float(table[i, j]) for i, j in best_pairs(table))
    return _f1(total, len(ours), len(theirs))


SIGNALS = (
    Signal("chartmimic.text", text),
    Signal("chartmimic.layout", layout),
    Signal("chartmimic.chart_type", chart_type),
    Signal("chartmimic.color", color),
)

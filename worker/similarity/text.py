"""`text`, `text.exact` and `text.title`: what the chart says.

`text` is soft: every text item of one chart is paired with at most one of the other so that the summed similarity S
is largest; F1 = 2S / (|G| + |R|). Similarity of two items = string similarity x role factor x place factor: string
similarity is 1 - Levenshtein distance / longer length, 0 below `floor`; the role factor is `other_role` when one is,
say, a title and the other a legend entry; the place factor falls linearly from 1 to 1 - `place` with the distance of
the box centres in canvas diagonals, reaching it at half a diagonal. Source of the form: BMAS, the bidirectional
max-average similarity of Mixed-R1 (arXiv 2505.24164), with a string kernel and one-to-one pairing, so that repeating
a string gains nothing.

`text.exact` is the multiset F1 of the strings. `text.title` is `text` over the titles of figure and axes alone: a
reader sees a wrong or surplus title first. `beta` makes each F1 an F_beta = (1 + beta²) S / (|G| + beta² |R|).

A reference that is a picture is read by OCR (worker/similarity/picture.py). Then both sides give drawn lines, tick
labels included and without roles, and the evidence says `source: "ocr"`; misread letters cost a little even for the
right chart. Without OCR `text` and `text.exact` are unavailable; `text.title` always is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from chartreward.models import SignalResult
from chartreward.profiles.options import TextOptions
from worker.similarity.chart import Chart
from worker.similarity.matching import MAX_PARTS, best_pairs
from worker.similarity.picture import lines_of, split_lines
from worker.similarity.signal import Signal, f1_result, unavailable

MAX_CHARS = 300
NO_OCR = "the reference is a picture, and no OCR is installed (requirements/ocr.txt)"
MAX_SHOWN = 50  # of each kind in the evidence
TICKS = frozenset({"xtick", "ytick", "ztick", "offset"})
# Roles that readers do not tell apart.
FAMILIES = {
    "suptitle": "title",
    "title": "title",
    "supxlabel": "xlabel",
    "supylabel": "ylabel",
    "legend": "legend",
    "legend_title": "legend",
    "annotation": "note",
    "text": "note",
    "table": "note",
}


@dataclass(frozen=True, slots=True)
class Items:
    """A chart's texts: strings, role families, box centres in units of the canvas diagonal."""

    strings: list[str]
    families: list[str]
    centers: NDArray[np.float64]


def items(chart: Chart, ticks: bool) -> Items:
    """Visible, non-empty texts, white space folded; at most MAX_PARTS."""
    assert chart.description is not None
    texts = [
        text
        for text in chart.description.texts
        if text.visible and text.string.strip() and (ticks or text.role not in TICKS)
    ][:MAX_PARTS]
    height, width = chart.pixels.shape[:2]
    boxes = np.array([text.box for text in texts], np.float64).reshape(-1, 4)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2 / np.hypot(width, height)
    strings = [" ".join(text.string.split())[:MAX_CHARS] for text in texts]
    return Items(strings, [FAMILIES.get(text.role, text.role) for text in texts], centers)


def titles(chart: Chart) -> Items:
    """The titles among a chart's texts."""
    every = chart.derive(items, False)
    kept = [place for place, family in enumerate(every.families) if family == "title"]
    return Items([every.strings[place] for place in kept], ["title"] * len(kept), every.centers[kept])


def lines(chart: Chart) -> Items | None:
    """Drawn lines, tick labels included: of a description, or read in a bare picture; None where no reader is."""
    if chart.description is None:
        found = chart.derive(lines_of)
    else:
        found = split_lines([text for text in chart.description.texts if text.visible and text.string.strip()])
    if found is None:
        return None
    height, width = chart.pixels.shape[:2]
    boxes = np.array([line.box for line in found], np.float64).reshape(-1, 4)[:MAX_PARTS]
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2 / np.hypot(width, height)
    strings = [" ".join(line.string.split())[:MAX_CHARS] for line in found[:MAX_PARTS]]
    return Items(strings, [""] * len(strings), centers)


def both(generated: Chart, reference: Chart, options: TextOptions) -> tuple[Items, Items] | None:
    """The texts of two charts in the form that both can give; None where the reference cannot be read."""
    if generated.description is None or reference.description is None:
        ours, theirs = generated.derive(lines), reference.derive(lines)
        return None if ours is None or theirs is None else (ours, theirs)
    return generated.derive(items, options.ticks), reference.derive(items, options.ticks)


def similarities(ours: Items, theirs: Items, options: TextOptions) -> NDArray[np.float64]:
    """(n, m) similarities in [0, 1]."""
    table = cdist(
        ours.strings, theirs.strings, scorer=Levenshtein.normalized_similarity, score_cutoff=options.floor
    ).astype(np.float64)
    same_role = np.array(ours.families)[:, None] == np.array(theirs.families)[None, :]
    apart = np.linalg.norm(ours.centers[:, None] - theirs.centers[None, :], axis=-1)
    place = 1.0 - options.place * np.minimum(1.0, apart / 0.5)
    return np.asarray(table * np.where(same_role, 1.0, options.other_role) * place)


def soft(generated: Chart, reference: Chart, options: TextOptions) -> SignalResult:
    """Soft F_beta of the best pairing."""
    given = both(generated, reference, options)
    if given is None:
        return unavailable(NO_OCR)
    return _paired(*given, options, "ocr" if reference.description is None else "description")


def title(generated: Chart, reference: Chart, options: TextOptions) -> SignalResult:
    """`soft` over the titles alone."""
    if generated.description is None or reference.description is None:
        return unavailable("the reference is a picture: which of its lines are titles is not known")
    return _paired(generated.derive(titles), reference.derive(titles), options, "description")


def _paired(ours: Items, theirs: Items, options: TextOptions, source: str) -> SignalResult:
    if not ours.strings or not theirs.strings:
        missing, extra = theirs.strings[:MAX_SHOWN], ours.strings[:MAX_SHOWN]
        return f1_result(
            0, len(ours.strings), len(theirs.strings), pairs=[], missing=missing, extra=extra, source=source
        )
    table = similarities(ours, theirs, options)
    pairs = best_pairs(table)
    unmatched = sorted(set(range(len(theirs.strings))) - {j for _, j in pairs})
    surplus = sorted(set(range(len(ours.strings))) - {i for i, _ in pairs})
    return f1_result(
        sum(float(table[i, j]) for i, j in pairs),
        len(ours.strings),
        len(theirs.strings),
        beta=options.beta,
        pairs=[(ours.strings[i], theirs.strings[j], round(float(table[i, j]), 3)) for i, j in pairs[:MAX_SHOWN]],
        missing=[theirs.strings[j] for j in unmatched[:MAX_SHOWN]],
        extra=[ours.strings[i] for i in surplus[:MAX_SHOWN]],
        source=source,
    )


def exact(generated: Chart, reference: Chart, options: TextOptions) -> SignalResult:
    """Multiset F_beta of equal strings."""
    given = both(generated, reference, options)
    if given is None:
        return unavailable(NO_OCR)
    ours, theirs = (Counter(side.strings) for side in given)
    return f1_result(
        (ours & theirs).total(),
        ours.total(),
        theirs.total(),
        beta=options.beta,
        pairs=[(string, string, 1.0) for string in list(ours & theirs)[:MAX_SHOWN]],
        missing=list((theirs - ours).elements())[:MAX_SHOWN],
        extra=list((ours - theirs).elements())[:MAX_SHOWN],
    )


SIGNALS = (Signal("text", soft), Signal("text.exact", exact), Signal("text.title", title))

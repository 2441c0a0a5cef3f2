"""A signal's evidence as HTML. What comes from a chart is text: escaped, isolated, and cut where it is endless."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from chartreward.description import ChartDescription, Mark
from chartreward.models import SignalResult

MAX_CHARS = 400
MAX_ROWS = 200
MAX_POINTS = 400
MAX_PLOTS = 24
HEX = re.compile(r"#[0-9a-fA-F]{6}")


def percent(share: float) -> str:
    """A CSS width from a share, kept inside its box."""
    return f"{100 * min(1.0, max(0.0, share)):.2f}%"


def evidence_html(
    name: str, signal: SignalResult, ours: ChartDescription | None, theirs: ChartDescription | None
) -> str:
    """The evidence of one signal; what is of no known shape is shown as JSON."""
    evidence = dict(signal.evidence or {})
    parts = []
    if signal.layers:
        parts.append(_table(["stage", "cosine"], [[str(i), f"{x:.4f}"] for i, x in enumerate(signal.layers, 1)]))
    for key, show in (("maps", _maps), ("pairs", _pairs), ("counts", _counts)):
        if isinstance(evidence.get(key), list | dict):
            parts.append(show(evidence.pop(key)))
    if name.endswith("layout"):
        parts.append(_layout(evidence.pop("axes", None), ours, theirs))
    if isinstance(evidence.get("series"), list):
        parts.append(_series(evidence.pop("series"), ours, theirs))
    for key, title in (("missing", "Missing in the generated chart"), ("extra", "Only in the generated chart")):
        if key in evidence:
            parts.append(_unmatched(title, evidence.pop(key), "bad"))
    for key in ("jaccard", "parts"):
        if isinstance(evidence.get(key), dict):
            rows = [[_text(part), _number(value)] for part, value in evidence.pop(key).items()]
            parts.append(_table(["part", "similarity" if key == "parts" else key], rows))
    for key in [key for key, value in evidence.items() if isinstance(value, str | int | float)]:
        parts.append(f'<p class="muted">{escape(key)}: {_text(evidence.pop(key))}</p>')
    if evidence:
        parts.append(f"<pre>{escape(json.dumps(evidence, indent=1, ensure_ascii=False)[:20_000])}</pre>")
    return "".join(parts) or '<p class="muted">no evidence beyond the numbers</p>'


def _text(value: Any) -> str:
    """A string from a chart, or a colour with its swatch."""
    text = str(value)
    chip = f'<span class="chip" style="background:{text}"></span>' if HEX.fullmatch(text) else ""
    cut = text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}… ({len(text)} characters)"
    return f"{chip}<bdi>{escape(cut)}</bdi>"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else _text(value)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in list(rows)[:MAX_ROWS])
    return f"<table><tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr>{body}</table>" if body else ""


def _pairs(pairs: Any) -> str:
    """[generated, reference, similarity] for texts; with [.., weight, CIEDE2000] for colours."""
    rows = [[_text(cell) if isinstance(cell, str) else _number(cell) for cell in pair] for pair in pairs]
    colors = any(len(row) == 4 for row in rows)
    heads = ["generated", "reference", "weight", "CIEDE2000"] if colors else ["generated", "reference", "similarity"]
    return _table(heads, rows)


def _counts(counts: Any) -> str:
    """Per category [matched, generated, reference], or a list of rows that end in two counts."""
    if isinstance(counts, dict):
        rows = [[_text(name), *map(_number, numbers)] for name, numbers in counts.items() if isinstance(numbers, list)]
        return _table(["kind", "matched", "generated", "reference"], rows)
    rows = [[" ".join(_text(cell) for cell in row[:-2] if cell), *map(_number, row[-2:])] for row in counts]
    return _table(["kind", "generated", "reference"], rows)


def _layout(pairs: Any, ours: ChartDescription | None, theirs: ChartDescription | None) -> str:
    """[generated axes, reference axes, overlap] by index; both layouts are drawn, paired axes under one letter."""
    paired = [row for row in pairs or [] if isinstance(row, list)]
    letters = [{row[place]: chr(65 + number % 26) for number, row in enumerate(paired)} for place in (0, 1)]
    cells = [
        _cells(title, one, names)
        for title, one, names in (("generated", ours, letters[0]), ("reference", theirs, letters[1]))
        if one is not None
    ]
    rows = [[letters[0][row[0]], _number(row[2])] for row in paired]
    return f'<div class="plots">{"".join(cells)}</div>{_table(["axes", "similarity"], rows)}'


def _cells(title: str, description: ChartDescription, letters: dict[Any, str]) -> str:
    drawn = []
    for index, axes in enumerate(description.axes[:MAX_ROWS]):
        left, top, right, bottom = axes.box
        size = f'width="{max(0, right - left):.1f}" height="{max(0, bottom - top):.1f}"'
        cell = axes.cell
        place = f"{cell.nrows}×{cell.ncols}, row {cell.row_start}, column {cell.col_start}" if cell else "in no grid"
        color = "#2f6fb3" if index in letters else "#d0021b"
        drawn.append(
            f"<g><title>axes {index}: {place}</title>"
            f'<rect x="{left:.1f}" y="{top:.1f}" {size} fill="{color}22" stroke="{color}" stroke-width="2"/>'
            f'<text x="{(left + right) / 2:.1f}" y="{(top + bottom) / 2:.1f}" font-size="40" text-anchor="middle">'
            f"{letters.get(index, '')}</text></g>"
        )
    whole = f"0 0 {description.width} {description.height}"
    picture = f'<svg viewBox="{whole}" role="img" aria-label="axes of the {title} chart">{"".join(drawn)}</svg>'
    return f"<figure>{picture}<figcaption>axes, {title}</figcaption></figure>"


def _unmatched(title: str, entries: Any, css: str) -> str:
    found = entries if isinstance(entries, dict) else {"": entries}
    lines = [
        f"<li>{escape(f'{kind}: ') if kind else ''}{_entry(one)}</li>"
        for kind, some in found.items()
        for one in (some if isinstance(some, list) else [some])
    ]
    if not lines:
        return ""
    return f'<h3 class="{css}">{title}</h3><ul class="tokens">{"".join(lines[:MAX_ROWS])}</ul>'


def _entry(entry: Any) -> str:
    return " ".join(map(_text, entry)) if isinstance(entry, list) else _text(entry)


def _maps(stages: Any) -> str:
    """Local cosines of every stage as a heat map over the generated chart (the page's style puts that below)."""
    figures = []
    for number, rows in enumerate(stages, 1):
        cells = "".join(
            f'<rect x="{x}" y="{y}" width="1.02" height="1.02" fill="#be1e2d" fill-opacity="{_heat(value)}">'
            f"<title>{value:.3f}</title></rect>"
            for y, row in enumerate(rows)
            for x, value in enumerate(row)
        )
        size = f"0 0 {len(rows[0]) if rows else 1} {len(rows) or 1}"
        drawn = f'<svg viewBox="{size}" preserveAspectRatio="none" role="img" aria-label="stage {number}">{cells}</svg>'
        figures.append(f"<figure>{drawn}<figcaption>stage {number}: red where the charts differ</figcaption></figure>")
    return f'<div class="maps">{"".join(figures)}</div>'


def _heat(cosine: float) -> str:
    """Opacity: nothing where the charts agree."""
    return f"{0.85 * max(0.0, min(1.0, 1 - cosine)) ** 0.5:.2f}"


def _series(series: Any, ours: ChartDescription | None, theirs: ChartDescription | None) -> str:
    """Series pairs [axes, axes, family, mark, mark, similarity]: a table, and the pairs drawn over each other.

    A mark that is null stands for all marks of its family in those axes.
    """
    rows, plots = [], []
    for left, right, family, i, j, similarity in series:
        labels = [_label(ours, i), _label(theirs, j)]
        rows.append([_text(family), _number(left), _number(right), *labels, _number(similarity)])
        points = _series_points(ours, left, family, i), _series_points(theirs, right, family, j)
        plots.append(_plot(*points, family == "line"))
    heads = ["series", "generated axes", "reference axes", "generated", "reference", "similarity"]
    return f'{_table(heads, rows)}<div class="plots">{"".join(plots[:MAX_PLOTS])}</div>'


def _label(description: ChartDescription | None, index: Any) -> str:
    if description is None or not isinstance(index, int) or not 0 <= index < len(description.marks):
        return "all together" if index is None else _number(index)
    mark = description.marks[index]
    return " ".join(_text(part) for part in (*(mark.colors[:1] or mark.edgecolors[:1]), mark.label))


def _series_points(
    description: ChartDescription | None, axes: Any, family: Any, index: Any
) -> list[tuple[float, float]]:
    if description is None:
        return []
    marks = description.marks
    if isinstance(index, int):
        return _points(marks[index])[:MAX_POINTS] if 0 <= index < len(marks) else []
    found = [point for mark in marks if mark.axes == axes and mark.kind == family for point in _points(mark)]
    if family == "wedge":
        found = [(float(place), share) for place, (_, share) in enumerate(found)]
    return found[:MAX_POINTS]


def _points(mark: Mark) -> list[tuple[float, float]]:
    """A mark's x and y, else its angles as shares of the circle, else its values in order."""
    data = mark.data
    if "theta1" in data and "theta2" in data:
        ends = zip(data["theta1"], data["theta2"], strict=False)
        shares = [abs(end - start) / 360 for start, end in ends if start is not None and end is not None]
        return [(float(place), share) for place, share in enumerate(shares)]
    if "x" in data and "y" in data:
        pairs = zip(data["x"], data["y"], strict=False)
        return [(x, y) for x, y in pairs if x is not None and y is not None]
    values = data.get("value") or next(iter(data.values()), [])
    return [(float(place), value) for place, value in enumerate(values) if value is not None]


def _plot(ours: list[tuple[float, float]], theirs: list[tuple[float, float]], joined: bool) -> str:
    """Both series in one small picture: generated solid, reference hollow or dashed."""
    points = ours + theirs
    if not points:
        return ""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left, width, low, height = min(xs), max(xs) - min(xs) or 1.0, min(ys), max(ys) - min(ys) or 1.0

    def placed(some: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(8 + 184 * (x - left) / width, 112 - 104 * (y - low) / height) for x, y in some]

    drawn = []
    for some, color, style in ((theirs, "#d9822b", 'stroke-dasharray="4 3"'), (ours, "#2f6fb3", "")):
        if joined:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed(some))
            drawn.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5" {style}/>')
        else:
            fill = color if color == "#2f6fb3" else "none"
            size = 2.5 if fill != "none" else 4
            drawn += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{fill}" stroke="{color}"/>'
                for x, y in placed(some)
            ]
    caption = "<figcaption>blue: generated, orange: reference</figcaption>"
    return f'<figure><svg viewBox="0 0 200 120" role="img" aria-label="series">{"".join(drawn)}</svg>{caption}</figure>'

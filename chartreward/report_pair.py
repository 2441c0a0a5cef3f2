"""An HTML page of one scored pair: reward, both charts, every signal with its evidence.

One file that runs nothing and loads nothing: no scripts, pictures as data URLs, all text escaped. Overlays, boxes and
the heat maps are CSS and SVG.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from chartreward.description import Box, ChartDescription
from chartreward.models import ItemResult, Profile, SignalResult
from chartreward.report import POLICY, STYLE, data_url
from chartreward.report_evidence import evidence_html, percent

MAX_BOXES = 400
MAX_LINES = 5000
PAIR_STYLE = """
h2 { font-size: 1.1rem; margin: 1.6rem 0 .6rem }
h3 { font-size: .95rem; margin: .8rem 0 .3rem }
.big { font-size: 2.2rem; font-weight: 650 }
.bar { background: #e6e8ec; border-radius: .3rem; display: flex; height: 1.2rem; overflow: hidden }
.bar i { border-right: 1px solid #fff; display: block }
.value { background: #e6e8ec; border-radius: .2rem; display: inline-block; height: .7rem; width: 9rem }
.value i { background: #2f6fb3; display: block; height: 100% }
.views { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)) }
.over { border: 1px solid #ddd; container-type: inline-size; display: grid; isolation: isolate; position: relative }
.over > * { grid-area: 1 / 1; width: 100% }
.over img { border: 0; display: block }
.over svg { height: 100%; position: absolute }
.difference img + img { mix-blend-mode: difference }
.over .swipe { overflow: hidden; resize: horizontal; width: 50%; outline: 1px solid #2f6fb3 }
.swipe img { max-width: none; width: 100cqw }
rect.box { fill: transparent; stroke: transparent }
rect.box:hover { fill: #2f6fb322; stroke: #2f6fb3 }
rect.finding { fill: #d0021b22; stroke: #d0021b; stroke-dasharray: 5 3 }
details.signal { border-top: 1px solid #8884; padding: .5rem 0 }
summary { cursor: pointer }
summary b { display: inline-block; min-width: 14rem }
td, th { overflow-wrap: anywhere; vertical-align: top }
th { white-space: nowrap }
.chip { border: 1px solid #8888; display: inline-block; height: .9rem; margin-right: .4rem; width: 1.6rem }
.chip { border-radius: .2rem; vertical-align: -.12rem }
ul.tokens { display: flex; flex-wrap: wrap; gap: .2rem 1rem; list-style: none; padding: 0 }
.bad-line { background: #d0021b33; display: block }
.long { max-height: 8rem; overflow: auto }
.maps, .plots { display: flex; flex-wrap: wrap; gap: 1rem }
.maps svg, .plots svg { height: auto; width: 12rem }
.maps svg { border: 1px solid #ddd; height: 8rem; width: 16rem }
.plots svg { background: #fff; border: 1px solid #ddd }
.bad { color: #a40000 }
@media (prefers-color-scheme: dark) { .bar, .value { background: #333 } .bad { color: #ff8a80 } }
"""
PALETTE = ("#2f6fb3", "#d9822b", "#3a9a5b", "#8a5fb5", "#c94f4f", "#4aa3a3", "#a38a2c", "#7a7f87")


@dataclass(frozen=True)
class Pair:
    """What the page shows. `picture(url)` gives the PNG bytes behind a `Picture.url`, or None when they are gone."""

    result: ItemResult
    profile: Profile
    code: str | None
    reference_code: str | None
    picture: Callable[[str], bytes | None]


def write_pair(path: Path, pair: Pair) -> None:
    """Write the page; its folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(pair_html(pair), encoding="utf-8", errors="replace")


def pair_html(pair: Pair) -> str:
    """The page as text."""
    result = pair.result
    parts = [_verdict(pair), _charts(pair), _signals(pair), _facts(pair)]
    parts.append(_code("Generated code", pair.code, result.error.line if result.error else None))
    parts.append(_code("Reference code", pair.reference_code, None))
    ours = data_url(pair.picture(result.render.url)) if result.render else None
    below = f".maps svg {{ background: url({ours}) 0 0 / 100% 100% }}" if ours else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>ChartReward: {escape(result.id or 'a pair')}</title>"
        f"<style>{STYLE}{PAIR_STYLE}{below}</style></head><body>"
        f"<h1>{escape(result.id or 'A scored pair')}</h1>{''.join(parts)}</body></html>\n"
    )


def _verdict(pair: Pair) -> str:
    result, (low, high) = pair.result, pair.profile.range
    number = "no reward" if result.reward is None else f"{result.reward:.4f}"
    parts = [
        f'<p><span class="big">{number}</span> of {low:g} to {high:g}, status <b>{escape(result.status.value)}</b>'
        f"{', <b>blank</b>' if result.blank else ''}, profile {escape(result.profile)}</p>"
    ]
    pieces = [(name, (signal.weight or 0.0) * (signal.value or 0.0)) for name, signal in result.signals.items()]
    if any(share > 0 for _, share in pieces) and high > low:
        blocks = "".join(
            f'<i style="background:{PALETTE[index % len(PALETTE)]};width:{percent(share / (high - low))}" '
            f'title="{escape(name)}: {share:.4f}"></i>'
            for index, (name, share) in enumerate(pieces)
            if share > 0
        )
        legend = ", ".join(
            f'<span class="chip" style="background:{PALETTE[index % len(PALETTE)]}"></span>{escape(name)} {share:.4f}'
            for index, (name, share) in enumerate(pieces)
        )
        parts.append(f'<div class="bar">{blocks}</div><p class="muted">weight times value: {legend}</p>')
    if result.error is not None:
        where = f" (line {result.error.line})" if result.error.line else ""
        parts.append(
            f'<p class="error long"><bdi>{escape(result.error.type)}{where}: {escape(result.error.message)}</bdi></p>'
        )
        if result.error.traceback:
            parts.append(f"<details><summary>traceback</summary><pre>{escape(result.error.traceback)}</pre></details>")
    return "".join(parts)


def _charts(pair: Pair) -> str:
    result = pair.result
    ours = data_url(pair.picture(result.render.url)) if result.render else None
    theirs = data_url(pair.picture(result.reference_render.url)) if result.reference_render else None
    findings = [finding for finding in result.integrity.findings or [] if isinstance(finding.get("box"), list)]
    views = [
        _chart("Generated", ours, _boxes(result.description, findings)),
        _chart("Reference", theirs, _boxes(result.reference_description, [])),
    ]
    if ours and theirs:
        pictures = f'<img alt="" src="{ours}"><img alt="" src="{theirs}">'
        views.append(
            f'<figure><div class="over difference">{pictures}</div>'
            "<figcaption>Difference: black where both are equal</figcaption></figure>"
        )
        views.append(
            f'<figure><div class="over"><img alt="" src="{theirs}">'
            f'<div class="swipe" tabindex="0"><img alt="" src="{ours}"></div></div>'
            "<figcaption>Swipe: drag the lower right corner of the generated chart</figcaption></figure>"
        )
    return f'<h2>Charts</h2><div class="views">{"".join(views)}</div>'


def _chart(title: str, picture: str | None, boxes: str) -> str:
    if picture is None:
        return f'<figure><p class="muted">no picture</p><figcaption>{title}</figcaption></figure>'
    return (
        f'<figure><div class="over"><img alt="{title} chart" src="{picture}">{boxes}</div>'
        f"<figcaption>{title}; point at a text or a mark to see what was read</figcaption></figure>"
    )


def _boxes(description: ChartDescription | None, findings: list[dict[str, object]]) -> str:
    """Boxes of what was read, named when pointed at, and of integrity findings."""
    if description is None:
        return ""
    named: list[tuple[Box, str]] = [
        (mark.box, f"{mark.kind} {mark.label} {' '.join(mark.colors[:4])}") for mark in description.marks[:MAX_BOXES]
    ]
    named += [(text.box, f"{text.role}: {text.string}") for text in description.texts[:MAX_BOXES]]
    rects = [_rect("box", box, name) for box, name in named]
    rects += [
        _rect("finding", finding["box"], f"{finding.get('what')} {finding.get('name')}: {finding.get('why')}")
        for finding in findings[:MAX_BOXES]
    ]
    size = f"0 0 {description.width} {description.height}"
    return f'<svg viewBox="{size}" preserveAspectRatio="none" aria-hidden="true">{"".join(rects)}</svg>'


def _rect(kind: str, box: object, name: str) -> str:
    if not isinstance(box, Iterable):
        return ""
    sides = [float(side) for side in box if isinstance(side, int | float)]
    if len(sides) != 4:
        return ""
    left, top, right, bottom = sides
    place = f'x="{left:.1f}" y="{top:.1f}" width="{max(0.0, right - left):.1f}" height="{max(0.0, bottom - top):.1f}"'
    return f'<rect class="{kind}" {place}><title>{escape(name[:300])}</title></rect>'


def _signals(pair: Pair) -> str:
    if not pair.result.signals:
        return ""
    rows = [_signal(pair, name, signal) for name, signal in pair.result.signals.items()]
    return f"<h2>Signals</h2>{''.join(rows)}"


def _signal(pair: Pair, name: str, signal: SignalResult) -> str:
    value = "-" if signal.value is None else f"{signal.value:.4f}"
    weight = "" if signal.weight is None else f", weight {signal.weight:.4g}"
    shown = ("precision", "recall", "f1", "matched", "generated", "reference")
    numbers = {key: getattr(signal, key) for key in shown if getattr(signal, key) is not None}
    facts = ", ".join(f"{key} {number:.4g}" for key, number in numbers.items())
    body = evidence_html(name, signal, pair.result.description, pair.result.reference_description)
    reason = f'<p class="bad">not available: {escape(signal.unavailable)}</p>' if signal.unavailable else ""
    opened = " open" if signal.value is not None and signal.value < 0.995 else ""
    return (
        f'<details class="signal"{opened}><summary><b>{escape(name)}</b> '
        f'<span class="value"><i style="width:{percent(signal.value or 0.0)}"></i></span> {value}{weight}</summary>'
        f'<p class="muted">{escape(facts)}</p>{reason}{body}</details>'
    )


def _facts(pair: Pair) -> str:
    result, profile = pair.result, pair.profile
    timing = result.timing
    rows = {
        "profile": f"{profile.ref} {profile.title}",
        "formula": profile.formula,
        "source": profile.citation,
        "integrity": f"{result.integrity.unsupported} claims without support in the picture, "
        f"{result.integrity.hidden} hidden",
        "time": f"queue {timing.queue_ms:.0f}, run {timing.exec_ms:.0f}, draw {timing.draw_ms:.0f}, "
        f"score {timing.score_ms:.0f} ms",
        "runtime": result.runtime,
        "engine": result.engine,
        "weights": result.weights or "",
    }
    cells = "".join(
        f"<tr><th>{name}</th><td><bdi>{escape(text)}</bdi></td></tr>" for name, text in rows.items() if text
    )
    findings = "".join(
        f"<li><bdi>{escape(str(finding.get('what')))} {escape(str(finding.get('name'))[:300])}: "
        f"{escape(str(finding.get('why')))}</bdi></li>"
        for finding in result.integrity.findings or []
    )
    return (
        f"<h2>Facts</h2><table>{cells}</table>{f'<h3>Integrity findings</h3><ul>{findings}</ul>' if findings else ''}"
    )


def _code(title: str, code: str | None, wrong: int | None) -> str:
    """A listing; the offending line stands out."""
    if code is None:
        return ""
    lines = [
        f'<span class="bad-line">{escape(line)}</span>' if number == wrong else f"{escape(line)}\n"
        for number, line in enumerate(code.splitlines()[:MAX_LINES], 1)
    ]
    opened = " open" if wrong else ""
    return f"<details{opened}><summary>{title}</summary><pre>{''.join(lines)}</pre></details>"

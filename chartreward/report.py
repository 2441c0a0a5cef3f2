"""An HTML page of scored items: both pictures side by side, worst first. One file, no scripts, all text escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import httpx

from chartreward.completions import completion_text, extract_code
from chartreward.models import ItemResult, Picture

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1a1a1a }
section { border-top: 1px solid #ccc; padding: 1rem 0 }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem } figure { margin: 0 }
img { max-width: 100%; border: 1px solid #ddd } figcaption, .muted { color: #555; font-size: 13px }
pre { background: #f6f6f6; padding: .7rem; overflow: auto; max-height: 24rem; font-size: 13px }
table { border-collapse: collapse } td, th { padding: .1rem .8rem .1rem 0; text-align: left } .error { color: #a40000 }
@media (prefers-color-scheme: dark) { body { background: #161616; color: #e6e6e6 } pre { background: #222 }
  figcaption, .muted { color: #aaa } .error { color: #ff8a80 } }
"""


def write_report(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    done: Mapping[str, ItemResult],
    *,
    url: str,
    key: str | None,
    most: int,
) -> None:
    """Write the page for the `most` worst results; pictures are fetched from the service and embedded."""
    results = sorted((done[row["id"]] for row in rows), key=_worst_first)[:most]
    codes = {row["id"]: row.get("code") or extract_code(completion_text(row.get("completion"))) for row in rows}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    pictures: dict[str, str | None] = {}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as http:
        sections = [_section(result, codes.get(result.id or ""), http, pictures) for result in results]
    rewards = [result.reward for result in done.values() if result.reward is not None]
    mean = f"mean reward {sum(rewards) / len(rewards):.4f}" if rewards else "no rewards"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>ChartReward report</title><style>{STYLE}</style></head><body><h1>ChartReward report</h1>"
        f"<p>{len(done)} items, {mean}; the {len(results)} worst first.</p>{''.join(sections)}</body></html>\n",
        encoding="utf-8",
        errors="replace",
    )


def _worst_first(result: ItemResult) -> tuple[float, str]:
    return (float("-inf") if result.reward is None else result.reward, result.id or "")


def _section(result: ItemResult, code: str | None, http: httpx.Client, pictures: dict[str, str | None]) -> str:
    reward = "no reward" if result.reward is None else f"{result.reward:.4f}"
    parts = [f"<section><h2>{escape(result.id or str(result.index))}: {reward} ({escape(result.status.value)})</h2>"]
    if result.error is not None:
        where = f", line {result.error.line}" if result.error.line else ""
        parts.append(f'<p class="error">{escape(result.error.type)}: {escape(result.error.message)}{where}</p>')
    parts.append('<div class="pair">')
    parts.append(_figure("reference", result.reference_render, http, pictures))
    parts.append(_figure("generated", result.render, http, pictures))
    parts.append("</div>")
    if result.signals:
        cells = "".join(
            f"<tr><td>{escape(name)}</td><td>{'-' if signal.value is None else f'{signal.value:.4f}'}</td>"
            f'<td class="muted">{escape(signal.unavailable or "")}</td></tr>'
            for name, signal in result.signals.items()
        )
        parts.append(f"<table><tr><th>signal</th><th>value</th><th></th></tr>{cells}</table>")
    parts.append(f"<details><summary>code</summary><pre>{escape(code or 'no code')}</pre></details></section>")
    return "".join(parts)


def _figure(caption: str, picture: Picture | None, http: httpx.Client, pictures: dict[str, str | None]) -> str:
    data = None if picture is None else _fetched(picture.url, http, pictures)
    image = f'<img alt="{caption} chart" src="{data}">' if data else '<p class="muted">no picture</p>'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _fetched(url: str, http: httpx.Client, pictures: dict[str, str | None]) -> str | None:
    """The picture as a data URL; `None` when the service has it no longer."""
    if url not in pictures:
        try:
            answer = http.get(url)
        except httpx.HTTPError:
            answer = None
        pictures[url] = data_url(answer.content if answer is not None and answer.status_code == 200 else None)
    return pictures[url]


def data_url(picture: bytes | None) -> str | None:
    """A PNG as a data URL; `None` for anything else."""
    if picture is None or not picture.startswith(b"\x89PNG"):
        return None
    return "data:image/png;base64," + base64.b64encode(picture).decode()

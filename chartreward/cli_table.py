"""A scored pair in the terminal: the reward, and a bar for every signal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from chartreward.models import ItemResult, Profile, SignalResult

WIDTH = 20  # characters of a bar
NOTES = 3  # of each kind


def show_result(result: ItemResult, profile: Profile, console: Console | None = None) -> None:
    """Print a result. Nothing of it is read as markup, and control characters are shown, not obeyed."""
    console = console or Console(highlight=False)
    low, high = profile.range
    line = Text()
    if result.reward is None:
        line.append("no reward", style="bold red")
    else:
        share = result.normalized or 0.0
        line.append(f"{result.reward:.4f}", style=f"bold {_color(share)}")
        line.append(f" of {low:g} to {high:g} ")
        line.append_text(_bar(share))
    line.append(f"  {result.status.value}", style="bold" if result.status == "ok" else "bold red")
    line.append("  ".join(["", *filter(None, (result.profile, result.runtime))]))
    if result.blank:
        line.append("  blank", style="bold red")
    console.print(line)
    if result.error is not None:
        where = f" (line {result.error.line})" if result.error.line else ""
        console.print(Text(_plain(f"{result.error.type}{where}: {result.error.message}"), style="red"))
    wide = max(map(len, result.signals), default=0)
    for name, signal in result.signals.items():
        console.print(_signal(name.ljust(wide), signal))
        said = _plain(notes(signal))
        if said:
            console.print(Padding(Text(said, style="dim"), (0, 0, 0, 4)))
    if result.integrity.unsupported or result.integrity.hidden:
        console.print(
            Text(
                f"integrity: {result.integrity.unsupported} claims without support in the picture, "
                f"{result.integrity.hidden} hidden artists; neither counts",
                style="yellow",
            )
        )
    if result.weights:
        console.print(Text(f"weights {result.weights}", style="dim"), overflow="ignore", no_wrap=True, crop=False)


def _signal(name: str, signal: SignalResult) -> Text:
    line = Text(f"  {name}  ")
    if signal.value is None:
        line.append("not available", style="yellow")
    else:
        line.append_text(_bar(signal.value))
        line.append(f"  {signal.value:.4f}", style=_color(signal.value))
    line.append("" if signal.weight is None else f"  weight {signal.weight:.3g}", style="dim")
    return line


def notes(signal: SignalResult) -> str:
    """The evidence in a few words: what is missing, what is too much, what could not be compared."""
    if signal.unavailable:
        return signal.unavailable
    found = []
    if signal.matched is not None:
        found.append(f"{signal.matched} matched of {signal.generated} generated, {signal.reference} in the reference")
    for kind in ("missing", "extra"):
        entries = list(_flat((signal.evidence or {}).get(kind)))
        if entries:
            more = f" and {len(entries) - NOTES} more" if len(entries) > NOTES else ""
            found.append(f"{kind}: {', '.join(entry[:30] for entry in entries[:NOTES])}{more}")
    if signal.layers:
        found.append("stages " + " ".join(f"{layer:.2f}" for layer in signal.layers))
    return "; ".join(found)


def _flat(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [entry for part in value.values() for entry in _flat(part)]
    if isinstance(value, list | tuple):
        return [" ".join(map(str, entry)) if isinstance(entry, list | tuple) else str(entry) for entry in value]
    return []


def _bar(share: float) -> Text:
    full = round(min(1.0, max(0.0, share)) * WIDTH)
    return Text.assemble(("█" * full, _color(share)), ("░" * (WIDTH - full), "grey50"))


def _color(share: float) -> str:
    return "green" if share >= 0.9 else "yellow" if share >= 0.5 else "red"


def _plain(text: str) -> str:
    """Without terminal escapes and other control characters."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in text)

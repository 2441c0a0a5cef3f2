"""Draws folded stacks as a flame graph: one SVG, no script, names and shares as tooltips."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

WIDTH, ROW, LETTER = 1400, 16, 6.4
LEAST = 0.0005  # share below which a frame is left out


@dataclass
class _Frame:
    name: str
    weight: int = 0
    callees: dict[str, _Frame] = field(default_factory=dict)

    def add(self, names: list[str], weight: int) -> None:
        """Count a stack below this frame."""
        self.weight += weight
        if names:
            callee = self.callees.setdefault(names[0], _Frame(names[0]))
            callee.add(names[1:], weight)


def draw(stacks: Mapping[str, int]) -> str:
    """The SVG of folded stacks (`a;b;c` -> weight): callers above callees, widths by weight."""
    root = _Frame("all")
    for stack, weight in stacks.items():
        root.add(stack.split(";"), weight)
    boxes: list[str] = []
    depth = _boxes(root, 0.0, 0, max(1, root.weight), boxes)
    height = (depth + 1) * ROW
    size = f'width="{WIDTH}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="monospace" font-size="10">'
    return "\n".join([head, *boxes, "</svg>\n"])


def _boxes(frame: _Frame, x: float, depth: int, total: int, boxes: list[str]) -> int:
    """Append the boxes of a frame and what it called; the greatest depth."""
    share = frame.weight / total
    width = share * WIDTH
    hue = zlib.crc32(frame.name.encode()) % 50
    text = frame.name.rsplit("/", 1)[-1][: int(width / LETTER)]
    place = f'x="{x:.1f}" y="{depth * ROW}" width="{width:.1f}" height="{ROW - 1}"'
    boxes.append(
        f"<g><title>{escape(frame.name)} {share:.1%}</title>"
        f'<rect {place} fill="hsl({hue},80%,65%)"/>'
        f'<text x="{x + 2:.1f}" y="{depth * ROW + 11}">{escape(text)}</text></g>'
    )
    deepest = depth
    for callee in sorted(frame.callees.values(), key=lambda one: one.name):
        if callee.weight / total >= LEAST:
            deepest = max(deepest, _boxes(callee, x, depth + 1, total, boxes))
        x += callee.weight / total * WIDTH
    return deepest

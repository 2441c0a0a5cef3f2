"""What the pixels say about a description's claims: only what is visible counts as drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chartreward.description import Box, ChartDescription
from chartreward.models import Integrity

BLANK_LEVELS = 8  # a channel must leave the background by more than this to count as ink
BLANK_SHARE = 5e-5  # of the pixels: fewer than this many ink pixels and the figure is blank


def is_blank(pixels: NDArray[np.uint8]) -> bool:
    """True when nearly every pixel of a (height, width, 3) picture has the most common colour."""
    packed = pixels.reshape(-1, 3).astype(np.uint32)
    codes = (packed[:, 0] << 16) | (packed[:, 1] << 8) | packed[:, 2]
    values, counts = np.unique(codes[:: max(1, len(codes) // 50_000)], return_counts=True)
    common = int(values[counts.argmax()])
    background = np.array([common >> 16, common >> 8 & 255, common & 255], np.int16)
    ink = (np.abs(pixels.astype(np.int16) - background) > BLANK_LEVELS).any(axis=2)
    return bool(ink.sum() < max(16, BLANK_SHARE * ink.size))


def on_canvas(box: Box, width: int, height: int) -> bool:
    """True when a box has an area and meets the canvas."""
    left, top, right, bottom = box
    return right > left and bottom > top and left < width and top < height and right > 0 and bottom > 0


def check(description: ChartDescription, pixels: NDArray[np.uint8]) -> tuple[ChartDescription, Integrity]:
    """The description without what nobody can see, and how much that was."""
    height, width = pixels.shape[:2]
    hidden = 0
    findings: list[dict[str, Any]] = []
    texts = []
    for text in description.texts:
        if text.visible and on_canvas(text.box, width, height):
            texts.append(text)
        else:
            hidden += 1
    marks = []
    for mark in description.marks:
        if mark.visible:
            marks.append(mark)
        else:
            hidden += 1
    checked = description.model_copy(update={"texts": texts, "marks": marks})
    return checked, Integrity(hidden=hidden, findings=findings)

"""Blank pictures, and colours in a box, found quickly: against the plain way of writing each down."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from worker import integrity


def plain_is_blank(pixels: NDArray[np.uint8]) -> bool:
    """The definition: nearly every pixel within 8 levels of the most common sampled colour."""
    packed = pixels[::2, ::2].reshape(-1, 3).astype(np.uint32)
    codes = (packed[:, 0] << 16) | (packed[:, 1] << 8) | packed[:, 2]
    values, counts = np.unique(codes[:: max(1, len(codes) // 50_000)], return_counts=True)
    common = int(values[counts.argmax()])
    background = np.array([common >> 16, common >> 8 & 255, common & 255], np.int16)
    ink = (np.abs(pixels.astype(np.int16) - background) > 8).any(axis=2)
    return bool(ink.sum() < max(16, 5e-5 * ink.size))


def picture(chance: np.random.Generator, kind: str) -> NDArray[np.uint8]:
    height, width = (int(side) for side in chance.integers(1, 220, 2))
    pixels = np.full((height, width, 3), chance.integers(0, 256, 3), np.uint8)
    if kind == "specks":
        pixels[chance.random((height, width)) < chance.random() * 0.002] = chance.integers(0, 256, 3)
    elif kind == "noise":
        pixels = np.clip(pixels.astype(int) + chance.integers(-10, 11, pixels.shape), 0, 255).astype(np.uint8)
    elif kind == "halves":
        pixels[: height // 2] = chance.integers(0, 256, 3)
    return pixels


@pytest.mark.parametrize("kind", ["flat", "specks", "noise", "halves"])
def test_blank_is_what_the_definition_says(kind: str) -> None:
    chance = np.random.default_rng(5)
    pictures = [picture(chance, kind) for _ in range(150)]
    assert [integrity.is_blank(one) for one in pictures] == [plain_is_blank(one) for one in pictures]


@pytest.mark.parametrize("side", [20, 120, 230])
def test_colors_of_a_box_are_counted_most_frequent_first(side: int) -> None:
    """Few pixels are sorted, more are counted, many are sampled at every second."""
    chance = np.random.default_rng(side)
    pixels = chance.integers(0, 3, (300, 300, 1), dtype=np.uint8) * np.array([40, 80, 120], np.uint8)
    rgb, counts = integrity.Canvas(pixels).colors((10.0, 20.0, 10.0 + side, 20.0 + side))
    step = 2 if side * side > 40_000 else 1
    part = pixels[20 : 20 + side : step, 10 : 10 + side : step].reshape(-1, 3)
    expected = {
        tuple(color // 8 * 8 + 4): int((part == color).all(axis=1).sum()) * step**2 for color in np.unique(part, axis=0)
    }
    assert {tuple(color): count for color, count in zip(rgb.astype(int), counts, strict=True)} == expected
    assert (np.diff(counts) <= 0).all()

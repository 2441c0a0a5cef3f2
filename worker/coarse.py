"""Colours of pictures at 5 bits a channel: as 15-bit codes, and how often each occurs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALL = np.arange(1 << 15)
RGB_OF_CODE: NDArray[np.float64] = np.stack([_ALL >> 10, _ALL >> 5 & 31, _ALL & 31], axis=-1) * 8.0 + 4.0
FEW = 2000  # so many codes are sorted sooner than all 32,768 bins are looked through


def coded(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """The 5 highest bits of red, green and blue of (height, width, 3) pixels, as one list of numbers."""
    codes = pixels[..., 0].astype(np.uint16)
    codes >>= 3
    for channel in (1, 2):
        part = pixels[..., channel].astype(np.uint16)
        part >>= 3
        codes <<= 5
        codes |= part
    return codes.ravel()


def counted(codes: NDArray[np.uint16]) -> tuple[NDArray[np.integer[Any]], NDArray[np.int64]]:
    """Distinct codes in rising order, and how often each occurs. Sorts what it is given."""
    if len(codes) < FEW:
        codes.sort()
        last = np.ones(len(codes), bool)
        np.not_equal(codes[1:], codes[:-1], out=last[:-1])
        ends = last.nonzero()[0]
        counts = ends.copy()
        counts[0] += 1
        counts[1:] -= ends[:-1]
        return codes[ends], counts
    return _found(np.bincount(codes))


def counted_over_ground(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.integer[Any]], NDArray[np.int64]]:
    """As `counted` for a whole picture, most of which has the colour of its corner: sooner, as bins count singly."""
    codes = coded(pixels)
    ground = int(codes[0])
    others = codes[codes != ground]
    counts = np.bincount(others, minlength=ground + 1)
    counts[ground] = len(codes) - len(others)
    return _found(counts)


def _found(counts: NDArray[np.int64]) -> tuple[NDArray[np.integer[Any]], NDArray[np.int64]]:
    codes = (counts != 0).nonzero()[0]  # quicker than looking for them in the counts themselves
    return codes, counts[codes]

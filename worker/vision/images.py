"""Pictures to network input: flattening, resizing, letterboxing, tiling."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Fit = Literal["squash", "letterbox"]
WHITE = (255, 255, 255)


def fit_square(pixels: Pixels, size: int, fit: Fit) -> Pixels:
    """Resize (height, width, 3) RGB to (size, size, 3) with antialiased bilinear sampling.

    `squash` ignores the aspect ratio; `letterbox` keeps it and pads with white, centred.
    """
    picture = Image.fromarray(pixels)
    if fit == "squash":
        return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    square = Image.new("RGB", (size, size), WHITE)
    square.paste(
        picture.resize((width, height), Image.Resampling.BILINEAR), ((size - width) // 2, (size - height) // 2)
    )
    return np.asarray(square)


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """Resize (h, w, 3) RGB to (height, width, 3), antialiased bilinear; the same array when nothing changes."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def tiles(pixels: Pixels, tile: int) -> list[Pixels]:
    """Cut into a grid of ceil(h/tile) x ceil(w/tile) tiles, row by row; edge tiles are padded with white."""
    height, width = pixels.shape[:2]
    cut = []
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            part = pixels[top : top + tile, left : left + tile]
            if part.shape[:2] != (tile, tile):
                padded = np.full((tile, tile, 3), 255, np.uint8)
                padded[: part.shape[0], : part.shape[1]] = part
                part = padded
            cut.append(part)
    return cut

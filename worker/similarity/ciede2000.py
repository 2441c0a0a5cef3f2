"""CIEDE2000 colour difference of sRGB colours, vectorised.

Source: CIE 142-2001; formulation and test pairs: G. Sharma, W. Wu, E. N. Dalal, "The CIEDE2000 color-difference
formula", Color Research & Application 30(1), 2005. sRGB to CIELAB after IEC 61966-2-1 with the D65 white point of the
2° observer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# As rounded by colormath, which ChartMimic's colour metric uses: parity to 1e-6 needs these digits.
_RGB_TO_XYZ = np.array(
    [[0.412424, 0.357579, 0.180464], [0.212656, 0.715158, 0.0721856], [0.0193324, 0.119193, 0.950444]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def rgb_of(colors: Sequence[str]) -> Floats:
    """`#rrggbb` strings to an (n, 3) array of 0..255."""
    codes = np.array([int(color[1:7], 16) for color in colors], dtype=np.int64)
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(np.float64).reshape(-1, 3)


@lru_cache(4096)
def kept_rgb_of(colors: tuple[str, ...]) -> Floats:
    """`rgb_of`, worked out once; not to be written to."""
    found = rgb_of(colors)
    found.flags.writeable = False
    return found


def lab_of(rgb: Floats) -> Floats:
    """(..., 3) sRGB 0..255 to CIELAB: L in 0..100, a and b about -128..128."""
    scaled = np.asarray(rgb, np.float64) / 255.0
    linear = np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _RGB_TO_XYZ.T / _WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def ciede2000(first: Floats, second: Floats) -> Floats:
    """Colour difference of (..., 3) CIELAB arrays, broadcast against each other; kL = kC = kH = 1."""
    l1, a1, b1 = np.moveaxis(np.asarray(first, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(second, np.float64), -1, 0)
    mean_c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - np.sqrt(mean_c7 / (mean_c7 + 25.0**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    grey = c1 * c2 == 0
    turn = h2 - h1
    turn = np.where(turn > 180, turn - 360, np.where(turn < -180, turn + 360, turn))
    turn = np.where(grey, 0.0, turn)
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    total, apart = h1 + h2, np.abs(h1 - h2) > 180
    mean_h = np.where(apart, np.where(total < 360, total + 360, total - 360), total) / 2
    mean_h = np.where(grey, total, mean_h)
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * np.cos(np.radians(mean_h - 30))
        + 0.24 * np.cos(np.radians(2 * mean_h))
        + 0.32 * np.cos(np.radians(3 * mean_h + 6))
        - 0.20 * np.cos(np.radians(4 * mean_h - 63))
    )
    offset = (mean_l - 50) ** 2
    sl = 1 + 0.015 * offset / np.sqrt(20 + offset)
    sc, sh = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * t
    rotation = (
        -2 * np.sqrt(mean_c**7 / (mean_c**7 + 25.0**7)) * np.sin(np.radians(60 * np.exp(-(((mean_h - 275) / 25) ** 2))))
    )
    square = (dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rotation * (dc / sc) * (dh / sh)
    return np.asarray(np.sqrt(np.maximum(square, 0.0)))


def differences(first: Sequence[str], second: Sequence[str]) -> Floats:
    """(n, m) CIEDE2000 differences between two lists of `#rrggbb` colours."""
    return ciede2000(lab_of(rgb_of(first))[:, None], lab_of(rgb_of(second))[None, :])

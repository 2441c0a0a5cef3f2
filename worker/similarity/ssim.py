"""`visual.ssim`: structural similarity of the two pictures, in grey, at a common small size.

Source: Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4),
2004: SSIM = (2 μx μy + C1)(2 σxy + C2) / ((μx² + μy² + C1)(σx² + σy² + C2)), C1 = (0.01·255)², C2 = (0.03·255)², here
over uniform 7 x 7 windows. Charts are mostly background, where SSIM is 1 for any two of them, so windows in which
both pictures are flat are left out of the mean: two blank pictures count as equal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from chartreward.models import SignalResult
from chartreward.profiles.options import SsimOptions
from worker.similarity.chart import Chart
from worker.similarity.signal import Signal, unit

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
WINDOW = 7
FLAT = 4.0  # variance (levels²) below which a window holds nothing

Floats = NDArray[np.float32]


def grey(chart: Chart, side: int) -> Floats:
    """(side, side) luma 0..255 of a chart's picture."""
    picture = Image.fromarray(chart.pixels).convert("L").resize((side, side), Image.Resampling.BOX)
    return np.asarray(picture, np.float32)


def _moments(chart: Chart, side: int) -> tuple[Floats, Floats, Floats]:
    x = chart.derive(grey, side)
    mean = uniform_filter(x, WINDOW)
    return x, mean, uniform_filter(x * x, WINDOW) - mean * mean


def ssim(generated: Chart, reference: Chart, side: int) -> float:
    """Mean SSIM over the windows where at least one of the two charts has structure, in [-1, 1]."""
    x, mean_x, var_x = generated.derive(_moments, side)
    y, mean_y, var_y = reference.derive(_moments, side)
    busy = (var_x > FLAT) | (var_y > FLAT)
    if not busy.any():
        return 1.0 if bool(np.abs(x - y).max() < 1.0) else 0.0
    covariance = uniform_filter(x * y, WINDOW) - mean_x * mean_y
    score = ((2 * mean_x * mean_y + C1) * (2 * covariance + C2)) / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))
    return float(score[busy].mean(dtype=np.float64))


def compare(generated: Chart, reference: Chart, options: SsimOptions) -> SignalResult:
    """SSIM clipped at 0."""
    return SignalResult(value=unit(ssim(generated, reference, options.side)))


SIGNAL = Signal("visual.ssim", compare)

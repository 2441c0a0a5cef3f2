"""`visual.<backbone>`: mean cosine of backbone features of the two pictures.

Source: ChartMaster (arXiv 2508.17608): R_vis = 1/4 Σ_k cos(f_k(gen), f_k(ref)), f_k the output of ResNet-18's stage
k. The tiled variant is VinciCoder's: mean over 448-pixel tiles and the whole picture, the generated one resized to
the reference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from chartreward.models import SignalResult
from chartreward.profiles.options import VisualOptions
from worker.similarity.chart import Chart
from worker.similarity.signal import Signal, unit
from worker.vision import BACKBONES, FeatureSpec, View


def _spec(backbone: str, options: VisualOptions, reference: Chart) -> FeatureSpec:
    canvas = None
    if options.tile is not None:
        height, width = reference.pixels.shape[:2]
        canvas = (height, width)
    architecture = BACKBONES[backbone]
    return FeatureSpec(backbone, architecture.size, options.fit, options.pool, options.tile, canvas)


def _wanted(backbone: str, options: VisualOptions, reference: Chart) -> tuple[FeatureSpec, ...]:
    return (_spec(backbone, options, reference),)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two vectors, in float64; 1 for equal vectors, zero ones included; 0 when one alone is zero.

    Summed by numpy itself: BLAS adds in an order that depends on the processor and on its number of threads.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    norm = math.sqrt(float(np.sum(a * a)) * float(np.sum(b * b)))
    if norm == 0.0:
        return float(np.array_equal(a, b))
    return min(1.0, max(-1.0, float(np.sum(a * b)) / norm))


def _layers(ours: Sequence[View], theirs: Sequence[View]) -> list[float]:
    """Cosine of every stage, averaged over the views."""
    table = [[cosine(a, b) for a, b in zip(left, right, strict=True)] for left, right in zip(ours, theirs, strict=True)]
    return [float(value) for value in np.mean(table, axis=0)]


def local_similarity(
    ours: Sequence[NDArray[np.float32]], theirs: Sequence[NDArray[np.float32]]
) -> list[list[list[float]]]:
    """For each stage, (channels, h, w) each, the cosine of every place: rows of numbers, for people to look at."""
    return [
        [[round(cosine(a[:, y, x], b[:, y, x]), 3) for x in range(a.shape[2])] for y in range(a.shape[1])]
        for a, b in zip(ours, theirs, strict=True)
    ]


def _compare(backbone: str, generated: Chart, reference: Chart, options: VisualOptions) -> SignalResult:
    spec = _spec(backbone, options, reference)
    layers = _layers(generated.features[spec], reference.features[spec])
    value = layers[-1] if options.stages == "last" else sum(layers) / len(layers)
    if options.scale == "unit":
        value = (value + 1) / 2
    value = (value - options.floor) / (1 - options.floor)
    return SignalResult(value=unit(value), layers=layers)


def visual_signal(backbone: str) -> Signal:
    """The signal of one loaded backbone."""
    return Signal(f"visual.{backbone}", partial(_compare, backbone), partial(_wanted, backbone))

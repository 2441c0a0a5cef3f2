"""Features of pictures: which backbone, how the picture is fitted, what is kept of a stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from worker.vision.backbones import Backbone
from worker.vision.images import Fit, Pixels, fit_square, resize, tiles

MAP_CELLS = 14
View = list[NDArray[np.float32]]  # one flat vector a stage


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """What to extract of one picture.

    `tile` adds one view for every `tile`-pixel square beside the whole picture; `canvas` (height, width) first resizes
    the picture, so that the tiles of two pictures cover the same places.
    """

    backbone: str
    size: int = 224
    fit: Fit = "squash"
    pool: Literal["average", "flatten"] = "average"
    tile: int | None = None
    canvas: tuple[int, int] | None = None


class FeatureExtractor:
    """Runs loaded backbones over pictures, `batch` views at a time.

    On a CPU a batch is no faster than single views (20.8 ms alone, 22.4 in fours, one thread) and costs memory,
    so `batch` is 1 there; a GPU takes more.
    """

    def __init__(self, backbones: Mapping[str, Backbone], *, batch: int = 1) -> None:
        self.backbones = dict(backbones)
        self.batch = batch

    def extract(self, pictures: Sequence[Pixels], spec: FeatureSpec) -> list[list[View]]:
        """For each (height, width, 3) RGB picture its views (the whole picture first, then tiles).

        Raises KeyError for a backbone that is not loaded.
        """
        backbone = self.backbones[spec.backbone]
        views = [self._views(picture, spec) for picture in pictures]
        flat = [view for group in views for view in group]
        done: list[View] = []
        for start in range(0, len(flat), self.batch):
            done.extend(self._run(backbone, flat[start : start + self.batch], spec))
        supply = iter(done)
        return [[next(supply) for _ in group] for group in views]

    def maps(self, picture: Pixels, backbone: str) -> list[NDArray[np.float32]]:
        """Stages of one whole picture before pooling, (channels, h, w) each, cells averaged down to MAP_CELLS a side.

        Stages without places (a backbone that pools itself) are left out. Raises KeyError.
        """
        loaded = self.backbones[backbone]
        square = fit_square(picture, loaded.architecture.size, "squash")
        stages = [stage for stage in loaded.stages(np.stack([square])) if stage.ndim == 4]
        return [_coarse(stage[0], min(MAP_CELLS, stage.shape[-1])) for stage in stages]

    @staticmethod
    def _views(picture: Pixels, spec: FeatureSpec) -> list[Pixels]:
        if spec.canvas is not None:
            picture = resize(picture, *spec.canvas)
        parts: Iterable[Pixels] = tiles(picture, spec.tile) if spec.tile is not None else ()
        return [fit_square(part, spec.size, spec.fit) for part in (picture, *parts)]

    @staticmethod
    def _run(backbone: Backbone, views: Sequence[Pixels], spec: FeatureSpec) -> list[View]:
        stages = backbone.stages(np.stack(views))
        if spec.pool == "average":
            stages = [_mean(stage) if stage.ndim == 4 else stage for stage in stages]
        flat = [stage.reshape(len(views), -1) for stage in stages]
        return [[stage[index] for stage in flat] for index in range(len(views))]


def _mean(stage: NDArray[np.float32]) -> NDArray[np.float32]:
    """(batch, channels, h, w) to the mean of every channel, summed in float64: the nearest float32 everywhere."""
    means: NDArray[np.float64] = stage.mean(axis=(2, 3), dtype=np.float64)
    return means.astype(np.float32)


def _coarse(stage: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """(channels, h, w) averaged down to (channels, cells, cells): cell i is floor(i h/cells)..ceil((i+1) h/cells)."""
    for axis in (1, 2):
        side = stage.shape[axis]
        spans = [range(i * side // cells, -(-(i + 1) * side // cells)) for i in range(cells)]
        parts = [stage.take(span, axis=axis).mean(axis=axis, dtype=np.float64) for span in spans]
        stage = np.stack(parts, axis=axis).astype(np.float32)
    return stage

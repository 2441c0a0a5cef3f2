"""Import torchvision's pure-Python parts where its compiled operators cannot load.

PyPI's torchvision is built against CUDA torch. Beside a CPU torch its `_C.so` does not load, and importing the package
ends in "operator torchvision::nms does not exist", because fake kernels are registered for operators that nothing
declared. Declaring the two schemas first is enough; the operators themselves (box suppression) are never called here.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

# A torch.library.Library drops its schemas when collected, so the module keeps it.
_declared: list[Any] = []


def _compiled_operators_load() -> bool:
    """True when torchvision's own extension registers its operators with this torch."""
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("torchvision is not installed: it holds the resnet18 and squeezenet1_1 backbones")
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        for library in Path(found.origin).parent.glob(f"_C*{suffix}"):
            try:
                torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]  # torch has no types here
            except OSError:
                continue
            return True
    return False


def _declare_operators() -> None:
    """Declare the schemas that torchvision's fake kernels refer to."""
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _declared.append(library)


def torchvision_models() -> ModuleType:
    """`torchvision.models`, whether or not torchvision's compiled part fits this torch."""
    if "torchvision" not in sys.modules and not _declared and not _compiled_operators_load():
        _declare_operators()
    return importlib.import_module("torchvision.models")

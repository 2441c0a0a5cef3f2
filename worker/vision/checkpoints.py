"""Checkpoints read with torch: plain tensors alone, of a network that was trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from worker.vision.weights import WeightsError


def looks_untrained(state: Mapping[str, Tensor]) -> bool:
    """True when normalisation statistics (or, without any, every vector parameter) are at their initial values.

    Training moves every BatchNorm's running mean and variance off 0 and 1; a network without BatchNorm has biases and
    LayerNorm gains instead, which start as constants.
    """
    means = [value for name, value in state.items() if name.endswith("running_mean")]
    variances = [value for name, value in state.items() if name.endswith("running_var")]
    if means and variances:
        return all(bool((mean == 0).all()) for mean in means) and all(bool((var == 1).all()) for var in variances)
    vectors = [value for value in state.values() if value.ndim == 1 and value.numel() > 1]
    return not vectors or all(bool((vector == vector[0]).all()) for vector in vectors)


def read_state(path: Path, backbone: str) -> dict[str, Tensor]:
    """A checkpoint's tensors.

    Raises WeightsError when the file is no plain state dict (arbitrary pickles are refused), or was never trained.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(f"{backbone}: {path} is not a plain torch checkpoint: {error}") from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{backbone}: {path} holds no state dict of tensors")
    if looks_untrained(state):
        raise WeightsError(
            f"{backbone}: {path} was never trained (its normalisation statistics are all initial values); "
            "random weights are used only when CHARTREWARD_RANDOM_WEIGHTS is set"
        )
    return dict(state)

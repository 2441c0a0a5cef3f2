"""Weights files: read, checked, named by their sha256; never silently random."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor


class WeightsError(Exception):
    """A weights file is missing, altered, of another architecture, or never trained."""


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def read_state(path: Path, sha256: str | None, backbone: str) -> tuple[dict[str, Tensor], str]:
    """A checkpoint's tensors and the file's sha256.

    Raises WeightsError when the file is missing, is not what `sha256` (a hex prefix of at least 8 digits) names, is no
    plain state dict (arbitrary pickles are refused), or was never trained.
    """
    if not path.is_file():
        raise WeightsError(
            f"{backbone}: no weights file at {path}; fetch one with `chartreward weights get {backbone}` "
            "or set CHARTREWARD_WEIGHTS"
        )
    digest = sha256_of(path)
    if sha256 is not None and (len(sha256) < 8 or not digest.startswith(sha256.lower())):
        raise WeightsError(f"{backbone}: {path} has sha256 {digest}, but {sha256} was configured")
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
    return dict(state), digest

"""Weights files: found, checked against their sha256, named by it; never silently random. Needs no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, Protocol

Preparation = Literal["imagenet", "lite", "caffe"]
RANDOM = "random"  # what takes the digest's place where untrained weights were asked for


class WeightsError(Exception):
    """A weights file is missing, altered, of another architecture, or never trained."""


class WeightsFile(Protocol):
    """What the loader reads of a configured weights file."""

    @property
    def path(self) -> Path: ...
    @property
    def sha256(self) -> str | None: ...
    @property
    def preparation(self) -> Preparation | None: ...


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checked_digest(path: Path, sha256: str | None, backbone: str) -> str:
    """The sha256 of a weights file.

    Raises WeightsError when the file is missing or is not what `sha256` (a hex prefix of at least 8 digits) names.
    """
    if not path.is_file():
        raise WeightsError(
            f"{backbone}: no weights file at {path}; fetch one with `chartreward weights get {backbone}` "
            "or set CHARTREWARD_WEIGHTS"
        )
    digest = sha256_of(path)
    if sha256 is not None and (len(sha256) < 8 or not digest.startswith(sha256.lower())):
        raise WeightsError(f"{backbone}: {path} has sha256 {digest}, but {sha256} was configured")
    return digest

"""The same script draws the same picture: what Python asks of the system's randomness comes from a seeded source.

`random.Random()`, `default_rng()`, `RandomState()` and `seed()` without a seed, `os.urandom`, `secrets` and `uuid4` do
that. A script that reads /dev/urandom itself, or seeds with the time, still draws something else each time.
"""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Callable
from typing import Any

import numpy as np

_source = random.Random(0)
_draw, _restart = _source.randbytes, _source.seed


def install() -> None:
    """Replace the functions, once a process."""
    os.urandom = random._urandom = _urandom  # type: ignore[attr-defined]  # `secrets` and numpy ask random._urandom
    random.Random.seed = _seeded(random.Random.seed)  # type: ignore[method-assign]  # what it is for
    random.seed = random._inst.seed  # the module's functions are methods of this one


def restart() -> None:
    """Begin anew: every source of randomness of this process as it is for each script."""
    _restart(0)
    random.seed(0)
    np.random.seed(0)


def _urandom(size: int, /) -> bytes:
    return _draw(size)


def _seeded(plain: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(plain)
    def seed(generator: Any, a: Any = None, version: int = 2) -> None:
        plain(generator, int.from_bytes(_draw(32), "little") if a is None else a, version)

    return seed

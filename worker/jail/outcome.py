"""What came of one job."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chartreward.description import ChartDescription
from chartreward.models import ItemError, Status


@dataclass(frozen=True, slots=True)
class Outcome:
    """Status and, for `ok` and for a partial figure that was asked for, the picture and what it claims to show.

    The picture is (height, width, 3) uint8 RGB, C-contiguous.
    """

    status: Status
    error: ItemError | None = None
    pixels: NDArray[np.uint8] | None = None
    description: ChartDescription | None = None
    exec_ms: float = 0.0
    draw_ms: float = 0.0
    peak_mb: float = 0.0  # resident, the shared pages of the zygote included
    denied: str | None = None  # the operation a `forbidden` job died of
    output_bytes: int = 0  # what it wrote to stdout and stderr
    claim_bytes: int = 0  # the head of its result as JSON; some ten times that in memory

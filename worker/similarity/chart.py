"""One drawn chart as the signals see it: pixels, checked description, code, features."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from chartreward.description import ChartDescription
from worker.vision import FeatureSpec, View
from worker.vision.ocr import ReadLines

T = TypeVar("T")


@dataclass(slots=True)
class Chart:
    """A chart that was drawn (or a picture that was decoded).

    `description` holds what the pixels support; it is None for a picture given without code, whose writing `read_lines`
    reads where OCR is installed. Signals share what they derive of a chart through `derive`, so that a reference is
    worked out once for all its rollouts.
    """

    pixels: NDArray[np.uint8]
    description: ChartDescription | None
    code: str | None = None
    complete: bool = True
    read_lines: ReadLines | None = None
    features: dict[FeatureSpec, list[View]] = field(default_factory=dict)
    derived: dict[Any, Any] = field(default_factory=dict)
    serial: int = field(default_factory=count().__next__)

    @property
    def source(self) -> Literal["code", "image"]:
        """Whether the chart came with a description or as a bare picture."""
        return "image" if self.description is None else "code"

    def derive(self, make: Callable[..., T], *arguments: Hashable) -> T:
        """`make(self, *arguments)`, computed once for this chart, function and arguments."""
        where = (make, *arguments)
        if where not in self.derived:
            self.derived[where] = make(self, *arguments)
        return self.derived[where]  # type: ignore[no-any-return]  # keyed by the function that made it

"""Texts of a picture by OCR: the optional extra `rapidocr` (bundled PP-OCRv6 models, no network).

The reader sees pixels that the jail decoded. Its work is bounded: pictures are scaled to at most MAX_SIDE pixels a
side and at most MAX_LINES boxes are read, about 1 to 2 s a picture on one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chartreward.description import Box

MAX_SIDE = 1600  # pixels; larger pictures are scaled down for reading
MAX_LINES = 300  # boxes that are read
LEAST_SCORE = 0.5  # confidence below which a line is no text


@dataclass(frozen=True, slots=True)
class Line:
    """One line of writing: its string and its upright box in pixels of the picture."""

    string: str
    box: Box


ReadLines = Callable[[NDArray[np.uint8]], list[Line]]


def installed() -> bool:
    """Whether the extra is here (`pip install -r requirements/ocr.txt`)."""
    return find_spec("rapidocr") is not None


class LineReader:
    """Reads pictures; the models load with the first one (about 0.5 s and 150 MB)."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        self._engine: Any = None

    def __call__(self, pixels: NDArray[np.uint8]) -> list[Line]:
        """Lines of a (height, width, 3) RGB picture, top to bottom."""
        if self._engine is None:
            self._engine = self._load()
        found = self._engine(np.ascontiguousarray(pixels[..., ::-1]))  # it takes BGR
        if found.boxes is None or found.txts is None:
            return []
        lines = []
        for corners, string in zip(found.boxes, found.txts, strict=True):
            (left, top), (right, bottom) = np.min(corners, axis=0), np.max(corners, axis=0)
            lines.append(Line(string.strip(), (float(left), float(top), float(right), float(bottom))))
        return sorted((line for line in lines if line.string), key=lambda line: (line.box[1], line.box[0]))

    def _load(self) -> Any:
        from rapidocr import RapidOCR

        return RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.max_side_len": MAX_SIDE,
                "Global.text_score": LEAST_SCORE,
                "Det.max_candidates": MAX_LINES,
                "EngineConfig.onnxruntime.intra_op_num_threads": self.threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

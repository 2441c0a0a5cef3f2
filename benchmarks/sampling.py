"""A sampling profiler on CPU time, and clocks around functions; standard library alone, for both interpreters.

Folded stacks are `frame;frame;frame weight`, as flame graph tools read them; weights are microseconds of CPU.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from types import FrameType
from typing import Any


class Sampler:
    """Samples the main thread every millisecond of CPU. A sample weighs what was used since the one before."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.stacks: Counter[str] = Counter()
        self._last = 0.0

    def __enter__(self) -> Sampler:
        self._last = time.process_time()
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0.0)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        now = time.process_time()
        names = []
        while frame is not None:
            code = frame.f_code
            file = "/".join(code.co_filename.removesuffix(".py").rsplit("/", 2)[-2:])
            names.append(f"{file}:{code.co_name}".replace(";", ","))
            frame = frame.f_back
        self.stacks[";".join([self.root, *reversed(names)])] += round((now - self._last) * 1e6)
        self._last = now


class Stages:
    """Clocks around functions: `row` holds, for each stage, [wall ms, CPU ms of this process], children left out."""

    def __init__(self) -> None:
        self.row: dict[str, list[float]] = {}
        self._inside: list[list[float]] = []

    def wrap(self, owner: Any, name: str, stage: str) -> None:
        """Replace the function `owner.name` by a function that is clocked as `stage`."""
        inner = getattr(owner, name)

        def clocked(*args: Any, **kwargs: Any) -> Any:
            self._inside.append([0.0, 0.0])
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return inner(*args, **kwargs)
            finally:
                spent = [time.perf_counter() - wall, time.process_time() - cpu]
                nested = self._inside.pop()
                mine = self.row.setdefault(stage, [0.0, 0.0])
                for kind in (0, 1):
                    mine[kind] += (spent[kind] - nested[kind]) * 1e3
                    if self._inside:
                        self._inside[-1][kind] += spent[kind]

        setattr(owner, name, clocked)

    def take(self) -> dict[str, list[float]]:
        """The row, and begin another."""
        row, self.row = self.row, {}
        return row

"""A warm jail for all tests of this folder, and a sibling that keeps drawing while they attack."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.jail import Jail, JailSettings, Outcome, Runtime

ROOT = Path(__file__).parents[2]
RUNTIME = Runtime("mpl38", ROOT / ".runtimes" / "mpl38" / "bin" / "python")
SETTINGS = JailSettings(timeout_s=10.0, work_bytes=16 * 1_048_576, work_inodes=256, threads=32, max_pixels=4_000_000)
LEARN_AFTER = 3  # as in worker/sandboxed/zygote.py
BENIGN = "import random, numpy as np, matplotlib.pyplot as plt\nplt.figure(figsize=(2, 1))\n" + (
    "plt.plot(np.random.rand(9)); plt.title(f'{random.random():.9f}')\nplt.savefig('x.png')"
)


@pytest.fixture(scope="session")
def jail() -> Iterator[Jail]:
    with Jail(RUNTIME, SETTINGS) as one:
        for _ in range(LEARN_AFTER):  # with the self-test one more: what it learns from children of its own is over
            one.run(BENIGN)
        yield one


@pytest.fixture(scope="session")
def benign(jail: Jail) -> Outcome:
    """What the benign chart looks like before any attack."""
    outcome = jail.run(BENIGN)
    assert outcome.status == "ok", outcome.error
    return outcome


class Sibling:
    """Another slot that draws the benign chart again and again, in its own thread."""

    def __init__(self, expected: bytes) -> None:
        self.expected = expected
        self.drawn = 0
        self.wrong: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)

    def _draw(self) -> None:
        try:
            with Jail(RUNTIME, SETTINGS) as jail:
                while not self._stop.wait(0.3):
                    outcome = jail.run(BENIGN)
                    if outcome.pixels is None or outcome.pixels.tobytes() != self.expected:
                        self.wrong.append(f"{time.time():.1f} {outcome.status} {outcome.error}")
                    self.drawn += 1
        except Exception as error:
            self.wrong.append(repr(error))

    def __enter__(self) -> Sibling:
        self._thread.start()
        deadline = time.monotonic() + 60
        while not self.drawn and not self.wrong and time.monotonic() < deadline:
            time.sleep(0.05)  # the attacks start when there is somebody to harm
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

"""A worker pool whose engine draws nothing: for tests of the queue alone.

The code of an item is a command: `# sleep 0.5`, `# kill` (SIGKILL itself), `# abort`, `# raise`; anything else passes.
Every execution appends its code to the file that NOOP_LOG names.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping

from chartreward.messages import WorkChunk, WorkItem
from chartreward.models import ItemResult, Reference, Status
from worker.pool import Pool
from worker.runner import run
from worker.settings import WorkerSettings


class NoopEngine:
    """Does what the code says, and calls it a reward of 1."""

    default_backbone = "none"
    level = "full"
    signal_names = ("visual", "attributes")

    def __init__(self, settings: WorkerSettings) -> None:
        self.renders: Callable[[str, bytes], None] | None = None
        self.denied: Callable[[str], None] | None = None
        self.weights: Mapping[str, str] = {"none": "0" * 64}
        self._log = os.environ.get("NOOP_LOG")

    def start(self) -> None:
        """Nothing to warm."""

    def make_ready(self) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Nothing to stop."""

    def score(self, chunk: WorkChunk, reference: Reference) -> Iterator[tuple[WorkItem, ItemResult]]:
        """One result an item."""
        for item in chunk.items:
            if self._log:
                with open(self._log, "a") as log:  # noqa: PTH123 - one atomic append
                    log.write(item.code.replace("\n", " ") + "\n")
            self._obey(item.code)
            yield (
                item,
                ItemResult(
                    status=Status.OK,
                    reward=1.0,
                    normalized=0.5,
                    profile=chunk.profile.ref,
                    runtime=chunk.runtime,
                    engine="noop",
                    reference=chunk.reference,
                ),
            )

    @staticmethod
    def _obey(code: str) -> None:
        words = code.split()
        if words[1:2] == ["sleep"]:
            time.sleep(float(words[2]))
        elif words[1:2] == ["kill"]:
            os.kill(os.getpid(), signal.SIGKILL)
        elif words[1:2] == ["abort"]:
            os.abort()
        elif words[1:2] == ["raise"]:
            raise RuntimeError("the engine itself failed")


def main() -> int:
    """As `python -m worker`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--one")
    options = parser.parse_args()
    settings = WorkerSettings()
    if options.one:
        return run(options.one, settings, NoopEngine)
    return Pool(settings, options.workers, [sys.executable, __file__]).run()


if __name__ == "__main__":
    sys.exit(main())

"""Stacks with the no-op engine, and the requests that tests of the queue send."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chartreward.embedded import Stack

NOOP = [sys.executable, str(Path(__file__).with_name("noop_worker.py"))]


class NoopStack(Stack):
    """A stack with no-op workers; `log` lists what they executed."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.log = folder / "executed.log"
        env = {"NOOP_LOG": str(self.log), "CHARTREWARD_LOG_LEVEL": "error", **options.pop("env", {})}
        super().__init__(worker_command=NOOP, env=env, folder=folder, **options)

    def executed(self, mark: str) -> list[str]:
        """The executions whose code has this mark."""
        return [line for line in self.log.read_text().splitlines() if mark in line] if self.log.exists() else []


@pytest.fixture(scope="session")
def noop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NoopStack]:
    """A shared stack with two no-op workers. Tests must leave it working."""
    with NoopStack(tmp_path_factory.mktemp("noop"), workers=2) as running:
        yield running


@pytest.fixture
def own(tmp_path: Path) -> Iterator[NoopStack]:
    """A stack of one's own, to break."""
    with NoopStack(tmp_path, workers=2) as running:
        yield running


def batch(mark: str, count: int, command: str = "pass", references: int = 1, **extra: Any) -> dict[str, Any]:
    """A request of `count` different items."""
    return {
        "items": [
            {"id": f"i{n}", "code": f"# {command} {mark} {n}", "reference": f"r{n % references}"} for n in range(count)
        ],
        "references": {f"r{n}": {"code": f"# reference {n}"} for n in range(references)},
        **extra,
    }

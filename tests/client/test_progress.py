"""The progress bar: where somebody watches, and nowhere else."""

import io
import sys

import pytest
from misbehaving import Server

from chartreward.client import RewardClient
from chartreward.progress import progress_bar

ITEMS = [("```python\nimport x\nreward = 0.5\n```", "import matplotlib")] * 3


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "progress", "seen"),
    [(True, None, True), (False, None, False), (True, False, False), (False, True, True)],
)
def test_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch, terminal: bool, progress: bool | None, seen: bool
) -> None:
    stderr = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    with RewardClient(server.url, progress=progress) as client:
        client.score(ITEMS)
    assert ("3/3" in stderr.getvalue()) is seen
    assert seen or not stderr.getvalue()


def test_two_bars_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that score: neither bar may make the other fail."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_bar(None, 2, "one") as one, progress_bar(None, 2, "two") as two:
        one()
        two()

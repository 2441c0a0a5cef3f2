"""SIGKILL a random worker again and again through a batch of real items: every one ends once, with its own reward."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from chartreward.embedded import Stack

CHARTS = Path(__file__).parents[2] / "examples" / "charts"
PERIOD_S = 3.0
BETWEEN = 16  # items finished between two kills: no item is in the hand of every victim, so none is condemned


def done_of(stack: Stack, batch_id: str) -> dict[str, Any] | None:
    """The batch in the list of recent ones; None while the API does not answer."""
    with contextlib.suppress(httpx.HTTPError):
        answer = httpx.get(f"{stack.url}/v1/batches?limit=5", timeout=30)
        if answer.status_code == 200:
            return next((entry for entry in answer.json() if entry["id"] == batch_id), None)
    return None


def through_kills(count: int) -> None:
    """Nothing here depends on how fast the machine is: a kill follows progress, never a clock alone."""
    chosen = random.Random(11)
    sales = (CHARTS / "sales.py").read_text()
    broken = (CHARTS / "crash.py").read_text()
    codes = [f"{broken if n % 10 == 9 else sales}\n# {n}\n" for n in range(count)]
    items = [{"id": str(n), "code": code, "reference": "r"} for n, code in enumerate(codes)]
    body = {"items": items, "references": {"r": {"code": sales}}, "limits": {"timeout_s": 60}}
    with Stack(workers=2, env={"CHARTREWARD_LOG_LEVEL": "error"}) as stack:
        batch_id = httpx.post(f"{stack.url}/v1/rewards", json=body, timeout=120).json()["id"]
        at, last = 0, time.monotonic()
        while (entry := done_of(stack, batch_id)) is None or entry["status"] == "running":
            if entry is not None and entry["done"] >= at + BETWEEN and time.monotonic() - last >= PERIOD_S:
                with contextlib.suppress(IndexError, psutil.Error):
                    chosen.choice(psutil.Process(stack.processes["workers"].pid).children()).send_signal(signal.SIGKILL)
                at, last = entry["done"], time.monotonic()
            time.sleep(0.2)
        done = httpx.get(f"{stack.url}/v1/rewards/{batch_id}", timeout=120).json()
    assert done["counts"] == {"ok": count * 9 // 10, "runtime_error": count // 10}
    for n, result in enumerate(done["results"]):
        assert result["index"] == n and result["id"] == str(n)
        expected = 0.0 if n % 10 == 9 else 2.0
        assert result["reward"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_items_while_workers_are_killed() -> None:
    through_kills(240)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_thousand_items_while_workers_are_killed() -> None:
    through_kills(1000)

"""SIGKILL a random worker every 3 s through 1,000 real items."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from chartreward.embedded import Stack

CHARTS = Path(__file__).parents[2] / "examples" / "charts"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_items_while_workers_are_killed() -> None:
    chosen = random.Random(11)
    sales = (CHARTS / "sales.py").read_text()
    broken = (CHARTS / "crash.py").read_text()
    codes = [f"{broken if n % 10 == 9 else sales}\n# {n}\n" for n in range(1000)]
    items = [{"id": str(n), "code": code, "reference": "r"} for n, code in enumerate(codes)]
    over, kills = threading.Event(), []
    with Stack(workers=2, env={"CHARTREWARD_LOG_LEVEL": "error"}) as stack:

        def kill() -> None:
            while not over.wait(3):
                with contextlib.suppress(IndexError, psutil.Error):
                    victim = chosen.choice(psutil.Process(stack.processes["workers"].pid).children())
                    victim.send_signal(signal.SIGKILL)
                    kills.append(victim.pid)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            place = httpx.post(f"{stack.url}/v1/rewards", json={"items": items, "references": {"r": {"code": sales}}})
            done = {"status": "running"}
            while done["status"] == "running":
                done = httpx.get(f"{stack.url}{place.headers['location']}?wait=30", timeout=60).json()
                if len(kills) >= 12:
                    over.set()  # ready workers take longer to start than 3 s: let the rest finish
        finally:
            over.set()
            killer.join()
    assert len(kills) >= 5
    assert done["counts"] == {"ok": 900, "runtime_error": 100}
    for n, result in enumerate(done["results"]):
        assert result["index"] == n and result["id"] == str(n)
        expected = 0.0 if n % 10 == 9 else 2.0
        assert result["reward"] == pytest.approx(expected, abs=1e-6)

"""The list of recent batches and the state of the queue, as the page shows them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.queue.conftest import NoopStack, batch


def until(condition: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def recent(stack: NoopStack, batch_id: str) -> dict[str, Any]:
    listed = httpx.get(f"{stack.url}/v1/batches", timeout=30).json()
    found: dict[str, Any] = next(entry for entry in listed if entry["id"] == batch_id)
    return found


def submit(stack: NoopStack, body: dict[str, Any], wait: float = 0, **headers: str) -> dict[str, Any]:
    url = f"{stack.url}/v1/rewards?wait={wait}"
    result: dict[str, Any] = httpx.post(url, json=body, timeout=90, headers=headers).json()
    return result


def test_a_finished_batch_counts_every_item(noop: NoopStack, mark: str) -> None:
    """Fresh work, equal items, items without code, and what the cache knew."""
    body = batch(mark, 5)
    body["items"] += [{**body["items"][0], "id": "again"}, {"completion": "no code", "reference": "r0"}]
    first = submit(noop, body, wait=60)
    known = submit(noop, {**body, "items": [*body["items"], *batch(f"{mark} more", 2)["items"]]}, wait=60)
    for done, total in ((first, 7), (known, 9)):
        entry = recent(noop, done["id"])
        assert entry["counts"] == done["counts"] == {"ok": total - 1, "no_code": 1}
        assert (entry["total"], entry["done"], entry["status"]) == (total, total, "completed")
        assert entry["profile"] == done["profile"] and entry["created"] == done["created"] < entry["deadline"]


def test_progress_cancelled_and_overdue(noop: NoopStack, mark: str) -> None:
    running = submit(noop, batch(mark, 400, "sleep 0.1"))
    until(lambda: 0 < recent(noop, running["id"])["done"] < 400, "no progress shown")
    entry = recent(noop, running["id"])
    assert entry["status"] == "running" and entry["counts"] == {"ok": entry["done"]}
    cancelled = httpx.delete(f"{noop.url}/v1/rewards/{running['id']}").json()
    entry = recent(noop, running["id"])
    assert entry["status"] == "cancelled" and entry["counts"] == cancelled["counts"] and entry["done"] == 400
    late = submit(noop, batch(f"{mark} late", 40, "sleep 0.2", deadline_s=0.5), wait=60)
    entry = recent(noop, late["id"])
    assert entry["status"] == "completed" and entry["counts"] == late["counts"] and entry["counts"]["deadline"] > 0


def test_newest_first_and_limited(noop: NoopStack, mark: str) -> None:
    ids = [submit(noop, batch(f"{mark} {n}", 1), wait=60)["id"] for n in range(4)]
    listed = httpx.get(f"{noop.url}/v1/batches?limit=3").json()
    assert [entry["id"] for entry in listed] == ids[:0:-1]
    refused = httpx.get(f"{noop.url}/v1/batches?limit=0")
    assert refused.status_code == 422 and refused.json()["errors"][0]["loc"] == ["query", "limit"]


def test_a_repeated_request_is_listed_once(noop: NoopStack, mark: str) -> None:
    for _ in range(2):
        done = submit(noop, batch(mark, 3), wait=60, **{"Idempotency-Key": mark})
    listed = [entry["id"] for entry in httpx.get(f"{noop.url}/v1/batches").json()]
    assert listed.count(done["id"]) == 1 and recent(noop, done["id"])["counts"] == {"ok": 3}


def test_each_key_sees_its_own(tmp_path: Path, mark: str) -> None:
    keys = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("alice", "bob")}
    with NoopStack(tmp_path, workers=1, env={"CHARTREWARD_API_KEYS": json.dumps(keys)}) as stack:
        mine = {"Authorization": "Bearer alice"}
        done = submit(stack, batch(mark, 2), wait=60, **mine)
        assert [entry["id"] for entry in httpx.get(f"{stack.url}/v1/batches", headers=mine).json()] == [done["id"]]
        assert httpx.get(f"{stack.url}/v1/batches?token=bob").json() == []


def test_the_queue_says_what_waits(noop: NoopStack, mark: str) -> None:
    running = submit(noop, batch(mark, 64, "sleep 3", priority="low"))
    state = httpx.get(f"{noop.url}/v1/queue").json()
    assert 0 < state["items"] <= state["limit"] and state["oldest_s"] >= 0
    assert any(lane.endswith(":low") and count == 1 for lane, count in state["batches_waiting"].items())
    assert set(state) >= {"ready", "reason", "canary_age_s"}
    httpx.delete(f"{noop.url}/v1/rewards/{running['id']}")

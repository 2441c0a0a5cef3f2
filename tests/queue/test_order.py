"""Who goes first, what is joined, what is not done."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.queue.conftest import NoopStack, batch


def submit(noop: NoopStack, body: dict[str, Any], wait: float = 0) -> dict[str, Any]:
    answer = httpx.post(f"{noop.url}/v1/rewards", params={"wait": wait}, json=body, timeout=110)
    assert answer.status_code in (200, 202), answer.text
    result: dict[str, Any] = answer.json()
    return result


def look(noop: NoopStack, batch_id: str, wait: float = 0) -> dict[str, Any]:
    result: dict[str, Any] = httpx.get(f"{noop.url}/v1/rewards/{batch_id}", params={"wait": wait}, timeout=110).json()
    return result


def until(condition: Callable[[], bool], timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_results_come_in_request_order_with_ids(noop: NoopStack, mark: str) -> None:
    done = submit(noop, batch(mark, 50, references=7), wait=90)
    assert [result["id"] for result in done["results"]] == [f"i{n}" for n in range(50)]
    assert [result["index"] for result in done["results"]] == list(range(50))
    assert done["status"] == "completed" and done["counts"] == {"ok": 50}


def test_small_batch_does_not_wait_for_a_large_one(noop: NoopStack, mark: str) -> None:
    large = submit(noop, batch(f"{mark}-large", 1500, "sleep 0.04", references=64))  # half a minute
    small = submit(noop, batch(f"{mark}-small", 8, "sleep 0.01"), wait=90)
    assert small["status"] == "completed"
    assert look(noop, large["id"])["status"] == "running"
    httpx.delete(f"{noop.url}/v1/rewards/{large['id']}")


def test_high_priority_overtakes_within_a_chunk(noop: NoopStack, mark: str) -> None:
    slow = submit(noop, batch(f"{mark}-slow", 16, "sleep 4", references=2))  # a chunk of eight for each worker: 32 s
    until(lambda: len(noop.executed(f"{mark}-slow")) >= 2)
    urgent = submit(noop, batch(f"{mark}-urgent", 2, priority="high"), wait=90)
    assert urgent["status"] == "completed"
    order = noop.executed(mark)
    first = next(n for n, line in enumerate(order) if "-urgent" in line)
    assert first < 14  # both chunks were not over
    httpx.delete(f"{noop.url}/v1/rewards/{slow['id']}")


@pytest.mark.slow
def test_slow_items_leave_others_their_turn(noop: NoopStack, mark: str) -> None:
    """A chunk of eight items of 4 s would hold a worker for half a minute."""
    slow = submit(noop, batch(f"{mark}-slow", 64, "sleep 4"))
    until(lambda: len(noop.executed(f"{mark}-slow")) >= 2)
    assert submit(noop, batch(f"{mark}-small", 2), wait=90)["status"] == "completed"
    order = noop.executed(mark)
    assert next(n for n, line in enumerate(order) if "-small" in line) < 14
    httpx.delete(f"{noop.url}/v1/rewards/{slow['id']}")


def test_equal_work_in_flight_is_joined(noop: NoopStack, mark: str) -> None:
    body = batch(mark, 4, "sleep 0.3")
    first, second = submit(noop, body), submit(noop, body)
    assert first["id"] != second["id"]
    assert look(noop, first["id"], wait=90)["done"] == look(noop, second["id"], wait=90)["done"] == 4
    assert len(noop.executed(mark)) == 4


def test_equal_items_of_one_batch_are_done_once(noop: NoopStack, mark: str) -> None:
    item = {"code": f"# pass {mark}", "reference": {"code": "r"}}
    done = submit(noop, {"items": [item] * 16}, wait=90)
    assert done["counts"] == {"ok": 16} and len(noop.executed(mark)) == 1


def test_known_result_is_answered_at_once(noop: NoopStack, mark: str) -> None:
    body = batch(mark, 3)
    fresh, known = submit(noop, body, wait=90), submit(noop, body)
    assert known["status"] == "completed" and len(noop.executed(mark)) == 3
    assert [result["timing"]["cached"] for result in fresh["results"]] == [False] * 3
    assert [result["timing"]["cached"] for result in known["results"]] == [True] * 3


def test_cancel_keeps_what_is_done_and_stops_the_rest(noop: NoopStack, mark: str) -> None:
    running = submit(noop, batch(mark, 400, "sleep 0.1"))
    until(lambda: look(noop, running["id"])["done"] > 0)
    answer = httpx.delete(f"{noop.url}/v1/rewards/{running['id']}", timeout=60).json()
    assert answer["status"] == "cancelled" and answer["done"] == 400
    assert answer["counts"]["ok"] >= 1 and answer["counts"]["cancelled"] >= 1
    assert all(result["reward"] is None for result in answer["results"] if result["status"] == "cancelled")
    # what comes after it is done after the chunks in hand, and nothing more of it
    submit(noop, batch(f"{mark} after", 16), wait=90)
    assert len(noop.executed(mark)) - 16 <= answer["counts"]["ok"] + 2 * 8
    assert look(noop, running["id"])["counts"] == answer["counts"]


def test_cancelling_one_of_two_joined_batches_harms_nobody(noop: NoopStack, mark: str) -> None:
    body = batch(mark, 8, "sleep 0.1")
    first, second = submit(noop, body), submit(noop, body)
    httpx.delete(f"{noop.url}/v1/rewards/{first['id']}")
    assert look(noop, second["id"], wait=90)["counts"] == {"ok": 8}


def test_deadline_of_the_queue_is_not_a_reward(noop: NoopStack, mark: str) -> None:
    late = submit(noop, batch(mark, 40, "sleep 0.2", deadline_s=1), wait=90)
    assert late["status"] == "completed" and late["done"] == 40
    assert late["counts"]["deadline"] >= 20
    assert {result["reward"] for result in late["results"] if result["status"] == "deadline"} == {None}


def test_an_engine_that_raises_is_our_fault(noop: NoopStack, mark: str) -> None:
    done = submit(noop, batch(mark, 1, "raise"), wait=90)
    assert done["counts"] == {"worker_error": 1} and done["results"][0]["reward"] is None
    again = submit(noop, batch(mark, 1, "raise"), wait=90)
    assert again["results"][0]["timing"]["cached"] is False  # our failures are not reused


@pytest.mark.parametrize("prefer", ["wait=20", "respond-async, wait=20"])
def test_prefer_waits(noop: NoopStack, mark: str, prefer: str) -> None:
    answer = httpx.post(
        f"{noop.url}/v1/rewards", json=batch(mark, 4, "sleep 0.1"), headers={"Prefer": prefer}, timeout=60
    )
    assert answer.status_code == 200 and answer.json()["done"] == 4


def test_without_waiting_202_says_where(noop: NoopStack, mark: str) -> None:
    answer = httpx.post(f"{noop.url}/v1/rewards", json=batch(mark, 4, "sleep 0.2"))
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/rewards/{answer.json()['id']}" and answer.headers["retry-after"]
    assert look(noop, answer.json()["id"], wait=90)["status"] == "completed"


def test_stream_sends_each_result_once_as_it_finishes(noop: NoopStack, mark: str) -> None:
    seen, times = [], []
    body = batch(mark, 12, "sleep 0.5")
    body["items"].append({"id": "empty", "completion": "no code here", "reference": "r0"})
    with httpx.stream(
        "POST", f"{noop.url}/v1/rewards", json=body, headers={"Accept": "application/x-ndjson"}, timeout=110
    ) as answer:
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        for line in answer.iter_lines():
            seen.append(httpx.Response(200, content=line).json())
            times.append(time.monotonic())
    assert sorted(result["index"] for result in seen) == list(range(13))
    assert seen[0]["status"] == "no_code" and times[-1] - times[0] > 0.2


def test_idempotency_key_gives_the_same_batch(noop: NoopStack, mark: str) -> None:
    def post(body: dict[str, Any]) -> httpx.Response:
        return httpx.post(f"{noop.url}/v1/rewards?wait=20", json=body, headers={"Idempotency-Key": mark}, timeout=60)

    first, second = post(batch(mark, 2, "raise")), post(batch(mark, 2, "raise"))
    assert first.json()["id"] == second.json()["id"]
    conflict = post(batch(mark, 3))
    assert conflict.status_code == 409 and conflict.json()["code"] == "idempotency_conflict"

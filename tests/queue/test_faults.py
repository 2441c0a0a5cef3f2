"""Processes that die, freeze or go away: every item ends exactly once, none is lost, none gets a false 0."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redis

from tests.queue.conftest import NoopStack, batch
from worker.pool import shares
from worker.settings import WorkerSettings

RANDOM = random.Random(7)


def workers_of(stack: NoopStack) -> list[psutil.Process]:
    return psutil.Process(stack.processes["workers"].pid).children()


def submit(stack: NoopStack, body: dict[str, Any]) -> str:
    answer = httpx.post(f"{stack.url}/v1/rewards", json=body, timeout=60)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def outcome(stack: NoopStack, batch_id: str, timeout_s: float = 100) -> dict[str, Any]:
    """The finished batch, whatever happens to the API meanwhile."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.get(f"{stack.url}/v1/rewards/{batch_id}", params={"wait": 2}, timeout=10)
            if answer.status_code == 200 and answer.json()["status"] != "running":
                done: dict[str, Any] = answer.json()
                return done
        time.sleep(0.05)
    raise AssertionError(f"batch {batch_id} did not end")


def check_complete(done: dict[str, Any], count: int) -> None:
    assert done["counts"] == {"ok": count}
    assert [result["index"] for result in done["results"]] == list(range(count))
    assert {result["reward"] for result in done["results"]} == {1.0}


def done_of(stack: NoopStack, batch_id: str) -> int:
    """Items finished so far; -1 while the API does not answer."""
    with contextlib.suppress(httpx.HTTPError):
        answer = httpx.get(f"{stack.url}/v1/batches", timeout=10)
        if answer.status_code == 200:
            return next(int(entry["done"]) for entry in answer.json() if entry["id"] == batch_id)
    return -1


def has_done(stack: NoopStack, batch_id: str, goal: int) -> bool:
    return done_of(stack, batch_id) >= goal


def until(condition: Callable[[], bool], timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_killed_workers_lose_nothing(own: NoopStack, mark: str) -> None:
    batch_id = submit(own, batch(mark, 300, "sleep 0.05", references=40))
    killed = 0
    for goal in (1, 40, 80, 120, 160):  # each kill finds work in hand, and lets some through
        until(functools.partial(has_done, own, batch_id, goal))
        if done_of(own, batch_id) < 280:
            with contextlib.suppress(IndexError, psutil.Error):
                RANDOM.choice(workers_of(own)).send_signal(signal.SIGKILL)
                killed += 1
    check_complete(outcome(own, batch_id), 300)
    # what died in hand ran again, and nothing else did
    assert 300 <= len(own.executed(mark)) <= 300 + killed


def test_job_of_a_killed_worker_is_back_within_ten_seconds(own: NoopStack, mark: str) -> None:
    batch_id = submit(own, batch(mark, 1, "sleep 5"))
    while not own.executed(mark):
        time.sleep(0.01)
    with redis.Redis.from_url(own.redis_url or "") as client:
        (fly,) = [key for key in client.keys("cr:fly:*") if client.hexists(key, f"b:{batch_id}")]
        job = client.hget(fly, "job")
        (hand,) = [key for key in client.keys("cr:hand:*") if client.hget(key, "job") == job]
    for worker in workers_of(own):
        worker.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    with redis.Redis.from_url(own.redis_url or "") as client:
        while client.exists(hand) or client.hget(fly, "job") == job:
            assert time.monotonic() - killed < 10
            time.sleep(0.01)
    check_complete(outcome(own, batch_id), 1)


@pytest.mark.slow
def test_pool_and_workers_killed_at_once(own: NoopStack, mark: str) -> None:
    """As when a machine goes: nobody is there to see it, the heartbeat has to tell."""
    batch_id = submit(own, batch(mark, 40, "sleep 0.05"))
    while not own.executed(mark):
        time.sleep(0.01)
    victims = workers_of(own)
    own.processes["workers"].kill()
    for worker in victims:
        worker.send_signal(signal.SIGKILL)
    own.processes["workers"].wait()
    own.tend()
    check_complete(outcome(own, batch_id), 40)


@pytest.mark.parametrize(("command", "deaths"), [("abort", 2), pytest.param("kill", 3, marks=pytest.mark.slow)])
def test_code_that_kills_workers_ends_as_crashed(own: NoopStack, mark: str, command: str, deaths: int) -> None:
    """Two deaths with a cause of their own are enough; a bare SIGKILL may come from outside, so it takes three."""
    body = batch(mark, 12)
    body["items"][5] = {"id": "killer", "code": f"# {command} {mark} killer", "reference": "r0"}
    done = outcome(own, submit(own, body), timeout_s=100)
    assert done["counts"] == {"ok": 11, "crashed": 1}
    killer = done["results"][5]
    assert killer["status"] == "crashed" and killer["reward"] == 0.0 and killer["error"]["type"] == "WorkerDied"
    assert len(own.executed(f"{mark} killer")) == deaths


@pytest.mark.slow
def test_frozen_worker_is_replaced_and_its_late_answer_ignored(own: NoopStack, mark: str) -> None:
    batch_id = submit(own, batch(mark, 30, "sleep 0.1"))
    while not own.executed(mark):
        time.sleep(0.01)
    frozen = workers_of(own)[0]
    frozen.send_signal(signal.SIGSTOP)
    done = outcome(own, batch_id)
    frozen.send_signal(signal.SIGCONT)
    check_complete(done, 30)
    time.sleep(2)
    check_complete(outcome(own, batch_id), 30)


def test_one_worker_a_core_each_on_its_own() -> None:
    pinned, free = WorkerSettings(), WorkerSettings(pin_workers=False)
    assert shares(pinned, 3, [2, 5, 7]) == [[2], [5], [7]]
    assert shares(pinned, 2, [2, 5, 7]) == [[2, 5, 7]] * 2, "cores are left over: the scheduler decides"
    assert shares(pinned, 4, [2, 5, 7]) == [[2, 5, 7]] * 4
    assert shares(free, 3, [2, 5, 7]) == [[2, 5, 7]] * 3
    assert shares(WorkerSettings(torch_threads=2), 3, [2, 5, 7]) == [[2, 5, 7]] * 3, "its threads need more than one"


def test_workers_keep_their_cores_when_they_are_replaced(own: NoopStack, mark: str) -> None:
    expected = sorted(map(tuple, shares(WorkerSettings(), 2, sorted(os.sched_getaffinity(0)))))
    before = workers_of(own)
    assert sorted(tuple(worker.cpu_affinity()) for worker in before) == expected
    before[0].kill()
    check_complete(outcome(own, submit(own, batch(mark, 20, "sleep 0.05"))), 20)
    deadline = time.monotonic() + 30
    found = None
    while found != expected and time.monotonic() < deadline:
        time.sleep(0.05)
        with contextlib.suppress(psutil.Error):
            found = sorted(tuple(worker.cpu_affinity()) for worker in workers_of(own) if worker != before[0])
    assert found == expected


@pytest.mark.slow
def test_sigterm_finishes_the_item_in_hand(own: NoopStack, mark: str) -> None:
    batch_id = submit(own, batch(mark, 16, "sleep 0.3"))
    while not own.executed(mark):
        time.sleep(0.01)
    for worker in workers_of(own):
        worker.send_signal(signal.SIGTERM)
    check_complete(outcome(own, batch_id), 16)
    assert len(own.executed(mark)) == 16  # nothing was thrown away


@pytest.mark.slow
def test_killed_api_loses_no_batch(own: NoopStack, mark: str) -> None:
    batch_id = submit(own, batch(mark, 100, "sleep 0.02", references=9))
    own.processes["api"].kill()
    own.processes["api"].wait()
    own.tend()
    check_complete(outcome(own, batch_id), 100)
    assert len(own.executed(mark)) == 100


@pytest.mark.slow
def test_redis_restarted_within_a_batch(own: NoopStack, mark: str) -> None:
    batch_id = submit(own, batch(mark, 120, "sleep 0.02", references=9))
    time.sleep(0.5)
    own.processes["redis"].terminate()
    own.processes["redis"].wait()
    answer = httpx.get(f"{own.url}/v1/rewards/{batch_id}", timeout=30)
    assert answer.status_code == 503 and answer.json()["code"] == "queue_unavailable" and answer.json()["retryable"]
    assert httpx.get(f"{own.url}/readyz").status_code == 503 and httpx.get(f"{own.url}/healthz").status_code == 200
    time.sleep(1)
    own.tend()
    check_complete(outcome(own, batch_id), 120)


@pytest.mark.slow
def test_waiting_request_survives_a_killed_redis(own: NoopStack, mark: str) -> None:
    """SIGKILL may cost Redis its last second: the request that waits queues again what was forgotten."""
    answers: list[httpx.Response] = []
    body = batch(mark, 60, "sleep 0.05", references=9)

    def post() -> None:
        answers.append(httpx.post(f"{own.url}/get_reward", json=compat(body), timeout=110))

    thread = threading.Thread(target=post)
    thread.start()
    time.sleep(0.8)
    own.processes["redis"].kill()
    own.processes["redis"].wait()
    time.sleep(0.5)
    own.tend()
    thread.join()
    assert answers[0].status_code == 200, answers[0].text
    assert answers[0].json()["rewards"] == [1.0] * 60


def compat(body: dict[str, Any]) -> dict[str, Any]:
    """The same items as OpenRLHF would send them."""
    fenced = [f"```python\n{item['code']}\n```" for item in body["items"]]
    return {"query": fenced, "prompts": [""] * len(fenced), "labels": ["# reference\nimport x\n"] * len(fenced)}


@pytest.mark.slow
def test_full_queue_sheds_native_requests_and_holds_compatible_ones(tmp_path: Path, mark: str) -> None:
    with NoopStack(tmp_path, workers=1, env={"CHARTREWARD_MAX_QUEUE": "20"}) as stack:
        filling = submit(stack, batch(mark, 20, "sleep 2"))
        shed = httpx.post(f"{stack.url}/v1/rewards", json=batch(f"{mark}-more", 10), timeout=30)
        assert shed.status_code == 429 and shed.json()["code"] == "queue_full" and int(shed.headers["retry-after"]) >= 1
        httpx.delete(f"{stack.url}/v1/rewards/{filling}").raise_for_status()
        held = httpx.post(f"{stack.url}/get_reward", json=compat(batch(f"{mark}-held", 3)), timeout=100)
        assert held.status_code == 200 and held.json()["rewards"] == [1.0] * 3


@pytest.mark.slow
def test_client_that_disconnects_harms_nobody(own: NoopStack, mark: str) -> None:
    body = batch(mark, 30, "sleep 0.05")
    for _ in range(5):
        with contextlib.suppress(httpx.TimeoutException):
            httpx.post(f"{own.url}/v1/rewards?wait=30", json=body, timeout=0.2)
    done = httpx.post(f"{own.url}/v1/rewards?wait=30", json=body, timeout=40).json()
    check_complete(done, 30)
    assert len(own.executed(mark)) == 30


@pytest.mark.slow
def test_readiness_is_lost_with_the_workers_and_comes_back(tmp_path: Path) -> None:
    env = {"CHARTREWARD_READY_WINDOW_S": "5", "CHARTREWARD_CANARY_S": "1"}
    with NoopStack(tmp_path, workers=2, env=env) as stack:
        frozen = workers_of(stack)
        for worker in frozen:
            worker.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        while httpx.get(f"{stack.url}/readyz").status_code == 200:
            assert time.monotonic() - stopped < 60
            time.sleep(0.1)
        assert "canary" in httpx.get(f"{stack.url}/readyz").json()["detail"]
        for worker in frozen:
            worker.send_signal(signal.SIGCONT)
        continued = time.monotonic()
        while httpx.get(f"{stack.url}/readyz").status_code != 200:
            assert time.monotonic() - continued < 90
            time.sleep(0.1)


@pytest.mark.slow
def test_a_wedged_fleet_is_unready_within_half_a_minute(own: NoopStack) -> None:
    """With the settings as they come; the processes live and the port is open, and nothing gets through."""
    for worker in workers_of(own):
        worker.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    until(lambda: httpx.get(f"{own.url}/readyz", timeout=30).status_code == 503)
    assert time.monotonic() - stopped < 30 + 15  # 25 s by the setting; the rest is for a slow machine to notice
    assert httpx.get(f"{own.url}/healthz").status_code == 200
    assert "canary" in httpx.get(f"{own.url}/readyz", timeout=30).json()["detail"]
    for worker in workers_of(own):
        worker.send_signal(signal.SIGCONT)
    until(lambda: httpx.get(f"{own.url}/readyz", timeout=30).status_code == 200)


def test_embedded_redis_has_no_tcp_port_and_dies_with_the_stack(tmp_path: Path) -> None:
    with NoopStack(tmp_path, workers=1) as stack:
        redis = psutil.Process(stack.processes["redis"].pid)
        assert [link for link in redis.net_connections("tcp") if link.status == "LISTEN"] == []
        own = [psutil.Process(process.pid) for process in stack.processes.values()]
        children = [one.pid for process in own for one in (process, *process.children(recursive=True))]
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in children)


def test_port_in_use_is_said(tmp_path: Path) -> None:
    from chartreward.embedded import StackError

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"cannot listen on 127.0.0.1:{port}"):
            NoopStack(tmp_path, port=port).start()


def test_without_redis_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from chartreward import embedded

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(embedded.StackError, match="install"):
        embedded.find_redis_server()

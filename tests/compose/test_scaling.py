"""Workers come and go, are killed, and Redis is killed, while batches run: every item gets its result."""

from __future__ import annotations

import threading
import time
from typing import Any
from uuid import uuid4

import pytest

from tests.compose.conftest import ComposeStack, docker, record

pytestmark = pytest.mark.compose
REFERENCE = "import matplotlib.pyplot as plt\nplt.figure(figsize=(3, 2))\nplt.bar(['a', 'b'], [1, 2])\nplt.title('t')\n"


def batch(stack: ComposeStack, items: int) -> dict[str, Any]:
    """Submit distinct work (every third item fails by itself) without waiting for it."""
    run = uuid4().hex
    codes = [
        f"raise ValueError({index})" if index % 3 == 2 else f"{REFERENCE}plt.ylabel('{run} {index}')\n"
        for index in range(items)
    ]
    body = {
        "items": [{"id": str(i), "code": f"# {run}\n{code}", "reference": "one"} for i, code in enumerate(codes)],
        "references": {"one": {"code": REFERENCE}},
        "limits": {"timeout_s": 40},
    }
    answer = stack.client.post("/v1/rewards", json=body, headers={"Prefer": "wait=0"})
    assert answer.status_code == 202, answer.text
    submitted: dict[str, Any] = answer.json()
    return submitted


def assert_nothing_lost(finished: dict[str, Any], items: int) -> None:
    assert finished["status"] == "completed", finished["counts"]
    assert [result["id"] for result in finished["results"]] == [str(index) for index in range(items)]
    for index, result in enumerate(finished["results"]):
        assert result["status"] == ("runtime_error" if index % 3 == 2 else "ok"), result
        assert result["reward"] is not None


def under_way(stack: ComposeStack, batch_id: str, least: int) -> None:
    """Until some of the batch is done and most of it is not."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        now = stack.client.get(f"/v1/rewards/{batch_id}").json()
        done = sum(now["counts"].values())
        if done >= least:
            assert now["status"] == "running", "the batch was over before anything happened to it"
            return
        time.sleep(0.1)
    raise AssertionError("nothing moves")


def workers(stack: ComposeStack) -> int:
    return len(stack.client.get("/v1/workers").json())


def test_scale_up_and_down_while_a_batch_runs(compose_stack: ComposeStack) -> None:
    assert len(compose_stack.containers("worker")) == 1
    running = batch(compose_stack, 240)
    under_way(compose_stack, running["id"], 3)
    compose_stack.up("--scale", "worker=3", "--no-recreate")
    assert len(compose_stack.containers("worker")) == 3
    deadline = time.monotonic() + 60
    while workers(compose_stack) < 3 and time.monotonic() < deadline:
        time.sleep(0.3)
    assert workers(compose_stack) == 3
    assert compose_stack.client.get(f"/v1/rewards/{running['id']}").json()["status"] == "running"
    names = {worker["host"] for worker in compose_stack.client.get("/v1/workers").json()}
    assert names == {container[:12] for container in compose_stack.containers("worker")}
    compose_stack.compose("up", "-d", "--no-build", "--no-recreate", "--scale", "worker=1")
    assert len(compose_stack.containers("worker")) == 1
    finished = compose_stack.wait(running)
    assert_nothing_lost(finished, 240)
    metrics = compose_stack.client.get("/metrics").text
    (deaths,) = [line for line in metrics.splitlines() if line.startswith("chartreward_worker_deaths_total ")]
    assert float(deaths.split()[1]) == 0  # they drained; nobody had to be missed


def test_a_killed_worker_loses_nothing(compose_stack: ComposeStack) -> None:
    compose_stack.up("--scale", "worker=2", "--no-recreate")
    running = batch(compose_stack, 120)
    under_way(compose_stack, running["id"], 6)
    victim = compose_stack.containers("worker")[0]
    docker("kill", victim)
    killed = time.monotonic()
    finished = compose_stack.wait(running)
    record(batch_after_worker_kill_s=round(time.monotonic() - killed, 1))
    assert_nothing_lost(finished, 120)
    docker("start", victim)
    compose_stack.wait_healthy()
    compose_stack.compose("up", "-d", "--no-build", "--no-recreate", "--scale", "worker=1")


def test_a_killed_redis_loses_nothing(compose_stack: ComposeStack) -> None:
    running = batch(compose_stack, 90)
    under_way(compose_stack, running["id"], 3)
    (redis,) = compose_stack.containers("redis")
    docker("kill", redis)
    seen: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.3):
            seen.append(compose_stack.client.get("/readyz").status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(4)
    docker("start", redis)
    finished = compose_stack.wait(running)
    compose_stack.wait_healthy()
    stop.set()
    asking.join()
    assert_nothing_lost(finished, 90)
    assert set(seen) <= {200, 503}  # the API said so, and stayed up
    again = batch(compose_stack, 6)
    assert_nothing_lost(compose_stack.wait(again), 6)

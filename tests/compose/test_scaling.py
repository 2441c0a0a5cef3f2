"""Workers come and go, are killed, Redis is killed, all is replaced, while batches run: every item gets its result."""

from __future__ import annotations

import threading
import time
from collections import deque
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx
import pytest

from tests.compose.conftest import ComposeStack, docker, record, until, wait

pytestmark = pytest.mark.compose
REFERENCE = "import matplotlib.pyplot as plt\nplt.figure(figsize=(3, 2))\nplt.bar(['a', 'b'], [1, 2])\nplt.title('t')\n"


class Load:
    """Batches of distinct work, two always under way, while the block runs; leaving it checks that nothing was lost."""

    ITEMS = 24

    def __init__(self, stack: ComposeStack) -> None:
        self.stack = stack
        self.finished: list[dict[str, Any]] = []
        self.waited_s: list[float] = []
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        self.goes_on()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if error is not None:
            return
        if self._failure is not None:
            raise self._failure
        for batch in self.finished:
            assert_nothing_lost(batch, self.ITEMS)

    def goes_on(self, batches: int = 1) -> None:
        """Until so many more batches are through."""
        least = len(self.finished) + batches

        def enough() -> bool:
            if self._failure is not None:
                raise self._failure
            return len(self.finished) >= least

        until(enough, f"{batches} more batches", 600)

    def _run(self) -> None:
        under_way: deque[tuple[dict[str, Any], float]] = deque()
        try:
            while under_way or not self._over.is_set():
                while len(under_way) < 2 and not self._over.is_set():
                    under_way.append((submit(self.stack, self.ITEMS), time.monotonic()))
                if under_way:
                    batch, since = under_way.popleft()
                    self.finished.append(wait(self.stack.client, batch))
                    self.waited_s.append(time.monotonic() - since)
        except BaseException as error:  # told to the test in its own thread
            self._failure = error


def submit(stack: ComposeStack, items: int, timeout: float = 300) -> dict[str, Any]:
    """Hand in distinct work (every third item fails by itself), again and again until it is taken, as clients do."""
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
    headers = {"Prefer": "wait=0", "Idempotency-Key": run}
    deadline = time.monotonic() + timeout
    while True:
        try:
            answer = stack.client.post("/v1/rewards", json=body, headers=headers)
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.3)
            continue
        if answer.status_code in {200, 202}:
            submitted: dict[str, Any] = answer.json()
            return submitted
        assert answer.status_code >= 500, answer.text
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.3)


def assert_nothing_lost(finished: dict[str, Any], items: int) -> None:
    assert finished["status"] == "completed", finished["counts"]
    assert [result["id"] for result in finished["results"]] == [str(index) for index in range(items)]
    for index, result in enumerate(finished["results"]):
        assert result["status"] == ("runtime_error" if index % 3 == 2 else "ok"), result
        assert result["reward"] is not None


def workers(stack: ComposeStack) -> dict[str, dict[str, Any]]:
    """What each worker says of itself, by container (the first 12 digits of its id)."""
    return {worker["host"]: worker for worker in stack.client.get("/v1/workers").json()}


def scale(stack: ComposeStack, count: int) -> None:
    stack.compose("up", "-d", "--no-build", "--no-recreate", "--scale", f"worker={count}")
    until(lambda: len(stack.containers("worker")) == count, f"{count} containers")
    until(lambda: set(workers(stack)) == {one[:12] for one in stack.containers("worker")}, f"{count} workers")


def test_scale_up_and_down_while_batches_run(compose_stack: ComposeStack) -> None:
    assert len(compose_stack.containers("worker")) == 1
    deaths = compose_stack.metric("chartreward_worker_deaths_total")
    with Load(compose_stack) as load:
        scale(compose_stack, 3)
        until(lambda: all(w["jobs_done"] > 0 for w in workers(compose_stack).values()), "a job done by each")
        load.goes_on()
        scale(compose_stack, 1)
        load.goes_on()
    # They drained; nobody had to be missed.
    assert compose_stack.metric("chartreward_worker_deaths_total") == deaths
    compose_stack.wait_healthy()


def test_a_killed_worker_loses_nothing(compose_stack: ComposeStack) -> None:
    scale(compose_stack, 2)
    deaths = compose_stack.metric("chartreward_worker_deaths_total")
    with Load(compose_stack) as load:
        busy: list[str] = []

        def one_is_busy() -> bool:
            busy[:] = [host for host, worker in workers(compose_stack).items() if worker["state"] == "busy"]
            return bool(busy)

        until(one_is_busy, "a busy worker")
        docker("kill", busy[0])
        killed = time.monotonic()
        until(lambda: compose_stack.metric("chartreward_worker_deaths_total") > deaths, "its death is noticed")
        record(worker_death_noticed_s=round(time.monotonic() - killed, 1))
        load.goes_on(2)
    docker("start", busy[0])
    compose_stack.wait_healthy()
    scale(compose_stack, 1)


def test_a_killed_redis_loses_nothing(compose_stack: ComposeStack) -> None:
    (redis,) = compose_stack.containers("redis")

    def readiness() -> int:
        return compose_stack.client.get("/readyz").status_code

    with Load(compose_stack) as load:
        docker("kill", redis)
        until(lambda: readiness() == 503, "the API says so, and stays up")
        docker("start", redis)
        until(lambda: readiness() == 200, "ready again")
        load.goes_on(2)
    compose_stack.wait_healthy()


def test_an_upgrade_loses_nothing(compose_stack: ComposeStack) -> None:
    """Every container is replaced (Redis keeps its volume) while clients go on asking."""
    before = set(compose_stack.containers())
    with Load(compose_stack) as load:
        compose_stack.compose("up", "-d", "--wait", "--no-build", "--force-recreate")
        assert not before & set(compose_stack.containers())
        load.goes_on(2)
    compose_stack.wait_healthy()

"""The client under faults: no hang, no duplicate, no silent 0. Real sockets, a service that misbehaves as told."""

import threading
import time

import pytest
from misbehaving import BreakingProxy, Fault, Misbehaving, Server

from chartreward import transport
from chartreward.client import RewardClient
from chartreward.errors import (
    ChartRewardError,
    NotReadyError,
    ProtocolError,
    RejectedError,
    UnauthorizedError,
    UnavailableError,
)
from chartreward.models import Status

REFERENCE = "import matplotlib"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(transport, "LONGEST_PAUSE_S", 0.1)


def rollouts(count: int) -> list[tuple[str, str]]:
    return [(f"```python\nimport x\nreward = {number / 1000}\n```", REFERENCE) for number in range(count)]


def check(service: Misbehaving, client: RewardClient, count: int) -> None:
    """Every item answered once, with its own reward, and executed once."""
    results = client.score(rollouts(count))
    assert [result.reward for result in results] == [number / 1000 for number in range(count)]
    assert [result.index for result in results] == list(range(count))
    assert len(service.scored) == count
    assert set(service.scored.values()) == {1}, "something was executed twice"


STATUS = [Fault(status=status) for status in (408, 425, 429, 500, 502, 503, 504)]
FAULTS = {
    "429 storm": [Fault(status=429, retry_after="0.01")] * 30,
    "every retryable status": STATUS,
    "a proxy's 502 page": [Fault(status=502, body="<h1>Bad gateway</h1>")] * 3,
    "cut before the first result": [Fault(lines=0)],
    "cut between results": [Fault(lines=3)],
    "cut inside a result": [Fault(lines=3, tear=True)],
    "ended early, cleanly": [Fault(lines=3, clean=True)],
    "ended early, cleanly, inside a result": [Fault(lines=3, clean=True, tear=True)],
    "cut, then the batch is slow": [Fault(lines=3), Fault("GET", running=True), Fault("GET", running=True)],
    "cut, then 503 on resuming": [Fault(lines=3), Fault("GET", status=503), Fault("GET", status=500)],
    "cut, then forgotten": [Fault(lines=3), Fault("GET", status=404)],
    "silent for longer than an attempt": [Fault(delay_s=1.0)],
    "items that fail on the service's side": [Fault(worker_errors=4)],
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_item_once_in_spite_of(name: str, service: Misbehaving, server: Server) -> None:
    service.faults.extend(FAULTS[name])
    with RewardClient(server.url, attempt_timeout_s=0.5, patience_s=20) as client:
        check(service, client, 10)
    assert not service.faults, "the fault did not happen"


@pytest.mark.parametrize("plan", [["reset"] * 5, ["silence"] * 2, [("cut", 40)] * 3, [("cut", 900), "reset"]], ids=str)
def test_broken_connections(plan: list, service: Misbehaving, proxy: BreakingProxy) -> None:
    proxy.plan.extend(plan)
    with RewardClient(proxy.url, attempt_timeout_s=0.5, patience_s=20) as client:
        check(service, client, 10)
    assert not proxy.plan


def test_many_batches_through_a_bad_line(service: Misbehaving, proxy: BreakingProxy) -> None:
    """A storm over 40 batches at once: refusals, resets, cuts at every kind of place."""
    proxy.plan.extend(["reset", ("cut", 30), ("cut", 700), "reset", ("cut", 1500)] * 4)
    service.faults.extend([Fault(status=429, retry_after="0.02"), Fault(lines=2, tear=True), Fault(status=500)] * 10)
    with RewardClient(proxy.url, attempt_timeout_s=2, patience_s=30, batch_size=8, concurrency=6) as client:
        check(service, client, 320)


def test_server_restarts(service: Misbehaving, server: Server) -> None:
    """Stopped for a second in the middle, and back with an empty memory."""
    service.always = lambda: Fault(delay_s=0.05)
    with RewardClient(server.url, batch_size=4, concurrency=2, patience_s=20) as client:
        results = []
        for result in client.stream(rollouts(60)):
            results.append(result)
            if len(results) == 12:
                server.stop()
                service.forget()
                restart = threading.Timer(1.0, server.start)
                restart.start()
    restart.join()
    assert sorted(result.index for result in results) == list(range(60))
    assert all(result.reward == result.index / 1000 for result in results)


def test_starts_before_the_service(service: Misbehaving) -> None:
    server = Server(service.app())
    threading.Timer(0.7, server.start).start()
    with RewardClient(server.url, patience_s=20) as client:
        client.wait_for_ready(20)
        check(service, client, 3)
    server.stop()


def test_wait_for_ready(service: Misbehaving, server: Server) -> None:
    service.ready = False
    with RewardClient(server.url) as client:
        with pytest.raises(NotReadyError, match="no worker yet"):
            client.wait_for_ready(0.3)
        threading.Timer(0.3, lambda: setattr(service, "ready", True)).start()
        client.wait_for_ready(20)


def test_retry_after_is_honoured(service: Misbehaving, server: Server) -> None:
    service.faults.append(Fault(status=429, retry_after="1"))
    with RewardClient(server.url) as client:
        start = time.monotonic()
        check(service, client, 1)
    assert time.monotonic() - start >= 1.0


def test_retry_after_as_a_date(service: Misbehaving, server: Server) -> None:
    import email.utils

    service.faults.append(Fault(status=503, retry_after=email.utils.formatdate(time.time() + 2, usegmt=True)))
    with RewardClient(server.url) as client:
        start = time.monotonic()
        check(service, client, 1)
    assert time.monotonic() - start >= 0.9


class TestInTheEnd:
    """When nothing helps: an exception or None, in bounded time, never a number."""

    @pytest.fixture(autouse=True)
    def _down(self, service: Misbehaving) -> None:
        service.always = lambda: Fault(status=503)

    def test_raises(self, server: Server) -> None:
        with RewardClient(server.url, patience_s=0.3) as client, pytest.raises(UnavailableError, match="503 told to"):
            client.score(rollouts(5))

    def test_answers_without_reward(self, service: Misbehaving, server: Server) -> None:
        with RewardClient(server.url, patience_s=0.3, errors="result", batch_size=2) as client:
            results = client.score(rollouts(5))
        assert [result.reward for result in results] == [None] * 5
        assert {result.status for result in results} == {Status.WORKER_ERROR}
        assert all(result.error and "503" in result.error.message for result in results)

    def test_finished_items_keep_their_reward(self, service: Misbehaving, server: Server) -> None:
        """The stream breaks, and the service never comes back."""
        service.faults.append(Fault(lines=3))
        service.always = lambda: Fault(status=503)
        with RewardClient(server.url, patience_s=0.3, errors="result") as client:
            results = client.score(rollouts(5))
        assert [result.reward for result in results] == [0.0, 0.001, 0.002, None, None]

    def test_nobody_listens(self) -> None:
        with (
            RewardClient("http://127.0.0.1:9", patience_s=0.3) as client,
            pytest.raises(UnavailableError, match="Connect"),
        ):
            client.score(rollouts(1))

    def test_silence(self, server: Server, proxy: BreakingProxy) -> None:
        proxy.plan.extend(["silence"] * 100)
        start = time.monotonic()
        with (
            RewardClient(proxy.url, patience_s=0.6, attempt_timeout_s=0.2) as client,
            pytest.raises(UnavailableError, match="Timeout"),
        ):
            client.score(rollouts(1))
        assert time.monotonic() - start < 10

    def test_a_batch_that_never_ends(self, service: Misbehaving, server: Server) -> None:
        """The service lives and says "running" for ever: the deadline bounds it."""
        service.faults.append(Fault(lines=1))
        service.always = lambda: Fault(running=True)
        with (
            RewardClient(server.url, patience_s=0.5, deadline_s=2.0) as client,
            pytest.raises(UnavailableError, match=r"left \d+ of 10 items unfinished"),
        ):
            client.score(rollouts(10))

    def test_items_that_always_fail(self, service: Misbehaving, server: Server) -> None:
        service.always = lambda: Fault(worker_errors=1)
        with RewardClient(server.url, item_attempts=2) as client:
            results = client.score(rollouts(3))
        assert [result.reward for result in results] == [None, 0.001, 0.002]
        assert service.sizes == [3, 1]


class TestRefused:
    """What no retry cures fails at once, and says why."""

    @pytest.mark.parametrize(
        ("status", "kind"), [(401, UnauthorizedError), (403, UnauthorizedError), (422, RejectedError)]
    )
    def test_at_once(self, service: Misbehaving, server: Server, status: int, kind: type[Exception]) -> None:
        service.faults.append(Fault(status=status))
        with RewardClient(server.url) as client, pytest.raises(kind, match=f"{status} told_to: told to") as refused:
            client.score(rollouts(1))
        assert service.requests["POST"] == 1
        assert isinstance(refused.value, ChartRewardError)

    def test_another_server(self, service: Misbehaving, server: Server) -> None:
        service.faults.append(Fault(status=200, body="<h1>It works!</h1>"))
        with RewardClient(server.url) as client, pytest.raises(ProtocolError, match="is it ChartReward"):
            client.score(rollouts(1))

    def test_a_stranger_in_a_shared_request_fails_alone(self, service: Misbehaving, server: Server) -> None:
        """`score_one` calls travel together; one with an unknown reference must not take the others with it."""
        import asyncio

        from chartreward.client import AsyncRewardClient

        async def main() -> list:
            async with AsyncRewardClient(server.url) as client:
                calls = [client.score_one(item) for item in rollouts(5)]
                calls.append(client.score_one(("import x\nreward = 1", "ref_unknown")))
                return await asyncio.gather(*calls, return_exceptions=True)

        *good, bad = asyncio.run(main())
        assert [result.reward for result in good] == [number / 1000 for number in range(5)]
        assert isinstance(bad, RejectedError) and "ref_unknown" in str(bad)
        assert service.sizes[0] == 6

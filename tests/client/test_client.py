"""The client in the places trainers use it: loops, threads, forks, pickles, batches, odd inputs."""

import asyncio
import json
import multiprocessing
import pickle
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from misbehaving import Fault, Misbehaving, Server

from chartreward.client import AsyncRewardClient, RewardClient
from chartreward.errors import ItemInputError
from chartreward.models import MAX_COMPLETION_CHARS, Item, Reference

REFERENCE = "import matplotlib"


def item(number: int) -> tuple[str, str]:
    return f"```python\nimport x\nreward = {number / 1000}\n```", REFERENCE


@pytest.fixture
def client(server: Server) -> Iterator[RewardClient]:
    with RewardClient(server.url, batch_size=8, concurrency=3) as client:
        yield client


def test_batches_are_cut_and_bounded(service: Misbehaving, client: RewardClient) -> None:
    service.always = lambda: Fault(delay_s=0.02)
    results = client.score([item(number) for number in range(100)])
    assert [result.reward for result in results] == [number / 1000 for number in range(100)]
    assert max(service.sizes) == 8 and len(service.sizes) == 13
    assert service.most_in_flight <= 3


def test_nothing_to_do(service: Misbehaving, client: RewardClient) -> None:
    assert client.score([]) == []
    assert service.requests["POST"] == 0


def test_large_completions_are_spread_over_requests(service: Misbehaving, server: Server) -> None:
    huge = "x" * MAX_COMPLETION_CHARS
    with RewardClient(server.url) as client:
        results = client.score(
            [(huge + f"\n```python\nimport x\nreward = 0.{n + 1}\n```", REFERENCE) for n in range(9)]
        )
    assert [result.reward for result in results] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert len(service.sizes) == 2


def test_a_new_loop_each_step(server: Server) -> None:
    """ms-swift: `asyncio.run` once a step, with a client that lives longer."""
    client = AsyncRewardClient(server.url)

    async def step(number: int) -> float | None:
        return (await client.score([item(number)]))[0].reward

    assert [asyncio.run(step(number)) for number in range(4)] == [0.0, 0.001, 0.002, 0.003]


def test_plain_calls_inside_a_running_loop(client: RewardClient) -> None:
    """A notebook, or a reward function called from somebody's coroutine."""

    async def inside() -> float | None:
        return client.score([item(5)])[0].reward

    assert asyncio.run(inside()) == 0.005


def test_single_items_travel_together(service: Misbehaving, server: Server) -> None:
    """verl: one coroutine a sample, all at once."""

    async def burst() -> list[float | None]:
        async with AsyncRewardClient(server.url, concurrency=1) as client:
            return [result.reward for result in await asyncio.gather(*(client.score_one(item(n)) for n in range(200)))]

    service.always = lambda: Fault(delay_s=1.0)  # while one request is answered, the others gather
    assert asyncio.run(burst()) == [number / 1000 for number in range(200)]
    assert sum(service.sizes) == 200 and len(service.sizes) <= 8


def test_threads(client: RewardClient) -> None:
    rewards: dict[int, float | None] = {}
    threads = [
        threading.Thread(target=lambda n=n: rewards.update({n: client.score_one(item(n)).reward})) for n in range(30)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rewards == {number: number / 1000 for number in range(30)}


def _in_child(client: RewardClient, answers: "multiprocessing.Queue[list[float | None]]") -> None:
    answers.put([result.reward for result in client.score([item(1), item(2)])])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking a threaded process is what is tested
def test_after_a_fork(client: RewardClient) -> None:
    """The parent's connections are in use before, during and after."""
    assert client.score([item(0)])[0].reward == 0.0
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[list[float | None]] = context.Queue()
    children = [context.Process(target=_in_child, args=(client, answers)) for _ in range(3)]
    for child in children:
        child.start()
    assert client.score([item(7)])[0].reward == 0.007
    assert [answers.get(timeout=20) for _ in children] == [[0.001, 0.002]] * 3
    for child in children:
        child.join(timeout=20)
        assert child.exitcode == 0
    assert client.score([item(8)])[0].reward == 0.008


def test_pickles(client: RewardClient) -> None:
    client.score([item(0)])
    copy = pickle.loads(pickle.dumps(client))
    assert copy.score([item(9)])[0].reward == 0.009


def test_stream_can_be_left_early(service: Misbehaving, client: RewardClient) -> None:
    service.faults.append(Fault())  # one answers, and its place is taken by the fourth
    service.always = lambda: Fault(delay_s=30)
    for result in client.stream([item(number) for number in range(200)]):
        assert result.reward == result.index / 1000
        break
    assert service.requests["POST"] <= 4
    service.always = lambda: None
    assert client.score([item(1)])[0].reward == 0.001


def test_cancelling_a_coroutine(service: Misbehaving, server: Server) -> None:
    service.faults.append(Fault(delay_s=30))

    async def main() -> float | None:
        client = AsyncRewardClient(server.url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.score([item(1)])
        return (await client.score([item(2)]))[0].reward

    assert asyncio.run(main()) == 0.002


def test_pictures_are_uploaded_once(service: Misbehaving, client: RewardClient) -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    client.score([(item(n)[0], pixels) for n in range(20)])
    client.score([(item(n)[0], pixels.copy()) for n in range(20)])
    assert list(service.uploads.values()) == [1]
    service.forget()  # a restart with an empty store
    assert client.score([(item(3)[0], pixels)])[0].reward == 0.003
    assert list(service.uploads.values()) == [2]


def test_scripts_travel_once_a_request(service: Misbehaving, client: RewardClient) -> None:
    client.score([item(number) for number in range(8)])
    assert len(service.bodies[0]["references"]) == 1


def test_odd_inputs(service: Misbehaving, client: RewardClient) -> None:
    """numpy strings, messages, lone surrogates, models, line separators that JSON lines must survive."""
    results = client.score(
        [
            (np.str_(item(1)[0]), np.str_(REFERENCE)),
            ([{"role": "assistant", "content": item(2)[0]}], np.array(REFERENCE)),
            (item(3)[0] + "\ud83d", REFERENCE),
            {"code": "reward = 0.004", "reference": {"code": REFERENCE}, "id": "line\u2028separator\x85"},
            Item(code="reward = 0.005", reference=Reference(code=REFERENCE)),
            ("", REFERENCE),
        ]
    )
    assert [result.reward for result in results] == [0.001, 0.002, 0.003, 0.004, 0.005, 0.0]
    assert results[3].id == "line\u2028separator\x85"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("text", "item 1 is neither"),
        ({"completion": "x"}, "item 1 has no reference"),
        ({"completion": "x", "code": "y", "reference": REFERENCE}, "item 1.*exactly one"),
        ({"completion": "x", "reference": REFERENCE, "typo": 1}, "item 1: typo"),
        (("x", None), "item 1 has no reference"),
        (("x", "two words"), "item 1: label 'two words'"),
    ],
)
def test_bad_items_are_named_before_anything_is_sent(
    service: Misbehaving, client: RewardClient, bad: object, message: str
) -> None:
    with pytest.raises(ItemInputError, match=message):
        client.score([item(0), bad])
    assert service.requests["POST"] == 0


def test_key_and_url(service: Misbehaving, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for client in (RewardClient(server.url, key="secret"), RewardClient(server.url + "/?token=secret")):
        client.score([item(0)])
        assert service.headers[-1]["authorization"] == "Bearer secret"
        assert "secret" not in client.url
    monkeypatch.setenv("CHARTREWARD_URL", server.url)
    monkeypatch.setenv("CHARTREWARD_KEY", "other")
    RewardClient().score([item(0)])
    assert service.headers[-1]["authorization"] == "Bearer other"
    with pytest.raises(ValueError, match="no http"):
        RewardClient("rewards:8000")


def test_request_carries_the_options(service: Misbehaving, server: Server) -> None:
    options = {
        "profile": "msrl",
        "runtime": "current",
        "limits": {"timeout_s": 5},
        "returns": ["render"],
        "priority": "low",
    }
    with RewardClient(server.url, deadline_s=12, **options) as client:
        client.score([item(0)])
    body = service.bodies[-1]
    assert {name: body[name] for name in ("profile", "runtime", "limits", "return", "priority", "deadline_s")} == {
        "profile": "msrl",
        "runtime": "current",
        "limits": {"timeout_s": 5.0},
        "return": ["render"],
        "priority": "low",
        "deadline_s": 12,
    }
    json.dumps(body)


def test_the_real_service(base_url: str) -> None:
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\n"
    with RewardClient(base_url) as client:
        client.wait_for_ready()
        name = client.register(code)
        same, broken, silent = client.score([(code, name), (code + "1 / 0", code), ("I cannot.", {"ref": name})])
        info = client.info()
    assert same.status == "ok" and same.normalized == 1.0
    assert broken.status == "runtime_error" and broken.reward == 0.0
    assert silent.status == "no_code"
    assert info["version"]

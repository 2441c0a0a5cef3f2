"""The routes of OpenRLHF, slime and NeMo-Gym, spoken to as these trainers do (their clients restated with aiohttp)."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import aiohttp
import httpx
import pytest

BARS = "import matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [1, 2])\nplt.title('Bars')\n"
OTHER = BARS.replace("Bars", "Beams").replace("[1, 2]", "[2, 5]")
PADS = "<|vision_start|>" + "<|image_pad|>" * 3000 + "<|vision_end|>"


def chatml(code: str) -> str:
    return (
        f"<|im_start|>system\nYou draw.<|im_end|>\n<|im_start|>user\n{PADS}Redraw this chart.<|im_end|>\n"
        "<|im_start|>assistant\n<think>bars, I think: ```python\nwrong()\n```</think>\nHere:\n"
        f"```python\n{code}```<|im_end|>"
    )


@pytest.fixture(scope="module")
def reference(base_url: str) -> str:
    return str(httpx.post(f"{base_url}/v1/references", json={"code": BARS}).json()["id"])


async def openrlhf(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """`_fetch_rewards_via_http`: a session a POST, 180 s, five attempts on anything."""
    for _ in range(5):
        try:
            timeout = aiohttp.ClientTimeout(total=180)
            async with aiohttp.ClientSession(timeout=timeout) as session, session.post(url, json=body) as answer:
                answer.raise_for_status()
                found: dict[str, Any] = await answer.json()
                return found
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)
    raise AssertionError("Request error for 5 times")


def check_openrlhf(answer: dict[str, Any], count: int) -> None:
    assert set(answer) == {"rewards", "scores", "extra_logs"}
    assert len(answer["rewards"]) == len(answer["scores"]) == count
    lists = [answer["rewards"], answer["scores"], *answer["extra_logs"].values()]
    assert all(len(values) == count for values in lists)
    assert all(isinstance(value, float) and math.isfinite(value) for values in lists for value in values)
    assert all(0 <= score <= 1 for score in answer["scores"])


async def test_openrlhf_one_sample(base_url: str, reference: str) -> None:
    body = {"query": [chatml(BARS)], "prompts": ["<|im_start|>user\n<image>Redraw"], "labels": [reference]}
    answer = await openrlhf(f"{base_url}/get_reward", body)
    check_openrlhf(answer, 1)
    assert answer["rewards"] == [pytest.approx(2.0)] and answer["scores"] == [pytest.approx(1.0)]


async def test_openrlhf_empty_batch(base_url: str) -> None:
    answer = await openrlhf(f"{base_url}/get_reward", {"query": [], "prompts": [], "labels": []})
    assert answer == {"rewards": [], "scores": [], "extra_logs": {}}


async def test_openrlhf_whole_rollout_keeps_order_and_key_set(base_url: str, reference: str) -> None:
    queries = [chatml(BARS), chatml("1/0\n"), "no code at all", chatml(OTHER), chatml("def (:\n")]
    labels = [reference, json.dumps({"ref": reference}), BARS, json.dumps({"code": BARS}), reference]
    body = {"query": queries, "prompts": [""] * 5, "labels": labels, "unknown": [1]}
    answer = await openrlhf(f"{base_url}/get_reward", body)
    check_openrlhf(answer, 5)
    rewards = answer["rewards"]
    assert rewards[0] == pytest.approx(2.0) and rewards[1] == rewards[2] == rewards[4] == 0.0 and 0 < rewards[3] < 2
    single = await openrlhf(f"{base_url}/get_reward", {"query": ["x"], "prompts": [""], "labels": [reference]})
    assert set(single["extra_logs"]) == set(answer["extra_logs"])
    assert answer["extra_logs"]["executed"] == [1.0, 0.0, 0.0, 1.0, 0.0]
    assert answer["extra_logs"]["visual"][0] == pytest.approx(1.0)


async def slime(session: aiohttp.ClientSession, url: str, code: str, label: str) -> Any:
    """`remote_rm`: the JSON of the answer is the reward."""
    payload = {"prompt": [{"role": "user", "content": "draw"}], "response": f"```python\n{code}```", "label": label}
    async with session.post(url, json=payload) as answer:
        answer.raise_for_status()
        return await answer.json()


async def test_slime_gets_a_bare_number(base_url: str, reference: str) -> None:
    connector = aiohttp.TCPConnector(limit=64)
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        codes = [f"{BARS}# {n % 16}\n" for n in range(128)]
        rewards = await asyncio.gather(*(slime(session, f"{base_url}/rm", code, reference) for code in codes))
        assert all(isinstance(reward, float) and reward == pytest.approx(2.0) for reward in rewards)
        keyed = await slime(session, f"{base_url}/rm?reward_key=score", BARS, reference)
        assert keyed["score"] == pytest.approx(2.0)


def test_infrastructure_failure_is_loud_not_zero(base_url: str) -> None:
    """A reference that does not draw is a fault of the data: 422, and never a number."""
    body = {"prompt": "", "response": f"```python\n{BARS}```", "label": "import nothing_there\n1/0\n"}
    answer = httpx.post(f"{base_url}/rm", json=body, timeout=60)
    assert answer.status_code == 422 and "bad_reference" in answer.json()["detail"]


@pytest.mark.parametrize("label", [None, 7, [], {}, "two words", '{"ref": 1}', '{"code": "x", "ref": "y"}', ""])
def test_labels_that_name_no_chart_are_422(base_url: str, label: Any) -> None:
    answer = httpx.post(f"{base_url}/rm", json={"prompt": "", "response": "x", "label": label}, timeout=30)
    assert answer.status_code == 422 and "label" in answer.json()["detail"]


def gym(code: str, metadata: dict[str, Any], **extra: Any) -> dict[str, Any]:
    text = {"type": "output_text", "text": f"```python\n{code}```"}
    output = [
        {"type": "reasoning", "content": None},
        {"type": "message", "role": "assistant", "content": [text]},
    ]
    return {
        "responses_create_params": {"input": [{"role": "user", "content": "draw"}], "temperature": 0.7},
        "response": {"id": "resp_1", "output": output},
        "verifier_metadata": metadata,
        "row": 17,
        **extra,
    }


def test_nemo_gym_echoes_and_scores(base_url: str, reference: str) -> None:
    assert httpx.post(f"{base_url}/seed_session", json={"any": "thing"}).json() == {}
    body = gym(BARS, {"ref": reference})
    answer = httpx.post(f"{base_url}/verify", json=body, timeout=60).json()
    assert {name: answer[name] for name in body} == body
    assert answer["reward"] == pytest.approx(2.0)
    assert answer["mask_sample"] is False and answer["instance_config"]["mask_sample"] is False
    assert answer["failure_reason"] is None
    failed = httpx.post(f"{base_url}/verify", json=gym("1/0\n", {"ref": reference}), timeout=60).json()
    assert failed["reward"] == 0.0 and failed["mask_sample"] is False  # the policy's fault: scored
    assert set(failed) == set(answer)


def test_nemo_gym_masks_what_we_failed(base_url: str) -> None:
    answer = httpx.post(f"{base_url}/verify", json=gym(BARS, {"code": "1/0\n"}), timeout=60)
    assert answer.status_code == 200
    found = answer.json()
    assert found["reward"] == 0.0 and found["mask_sample"] is True and found["instance_config"]["mask_sample"] is True
    assert "bad_reference" in found["failure_reason"] and found["infra_error"] == 1.0


def test_nemo_gym_sessions_keep_nothing(base_url: str) -> None:
    seed = {"resources_session_id": "s1", "episode_id": "e", "task_id": "t", "task_data": {"a": 1}}
    seeded = httpx.post(f"{base_url}/seed_session", json=seed).json()
    assert seeded == {"resources_session_id": "s1", "resources_tools": None, "sandbox_access": None}
    for session in ("s1", "never seeded"):
        closed = httpx.post(f"{base_url}/close_session", json={"resources_session_id": session, "episode_id": "e"})
        assert closed.json() == {"resources_session_id": session}
    assert httpx.get(f"{base_url}/reverify_mode").json() == "stateless"


def test_nemo_gym_gets_its_metrics(base_url: str) -> None:
    rows = [
        {"_ng_task_index": 0, "_ng_rollout_index": 0, "reward": 1.0, "executed": True, "name": "x"},
        {"_ng_task_index": 0, "_ng_rollout_index": 1, "reward": 2.0, "response": {"usage": {"total_tokens": 7}}},
        {"_ng_task_index": 3, "reward": 0.5, "mask_sample": False, "big": 10**400},
        {"_ng_task_index": 3, "reward": 0.0, "mask_sample": True},
    ]
    answer = httpx.post(f"{base_url}/aggregate_metrics", json={"verify_responses": rows}).json()
    overall = answer["agent_metrics"]
    assert overall["mean/reward"] == pytest.approx(3.5 / 3) and overall["max/reward"] == 2.0
    assert overall["min/reward"] == 0.5 and overall["median/reward"] == 1.0  # the masked zero is none
    assert overall["std/reward"] == pytest.approx(0.7637626)
    assert overall["mean/mask_sample"] == 0.5 and overall["mean/total_tokens"] == 7.0
    assert [group["_ng_task_index"] for group in answer["group_level_metrics"]] == [0, 3]
    assert [group["mean/reward"] for group in answer["group_level_metrics"]] == [1.5, 0.5]
    assert answer["key_metrics"] == {name: value for name, value in overall.items() if name.startswith("mean/")}
    empty = httpx.post(f"{base_url}/aggregate_metrics", json={"verify_responses": []}).json()
    assert empty == {"group_level_metrics": [], "agent_metrics": {}, "key_metrics": {}}


def test_nemo_gym_integers_come_back_whole(base_url: str, reference: str) -> None:
    body = gym(BARS, {"ref": reference}, seed=2**80)
    assert httpx.post(f"{base_url}/verify", json=body, timeout=60).json()["seed"] == 2**80

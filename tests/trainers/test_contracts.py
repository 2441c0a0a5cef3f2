"""Each trainer's own calling code, from PyPI, against a running stack: `make test-trainers`.

Packages are unpacked without their dependencies; what they import beside the code under test is stubbed
(callers/stand_ins.py). slime and EasyR1 are not on PyPI: their callers are restated here, and say so.
"""

import asyncio
import importlib
import json
import math
import os
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from misbehaving import Fault, Misbehaving, Server
from packages import TRL, environment, installed

ROOT = Path(__file__).parents[2]
CALLERS = Path(__file__).parent / "callers"
CODE = "import matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [1, 2])\nplt.title('contract')\n"
SAME, CRASHES, REFUSES = f"```python\n{CODE}```", f"```python\n{CODE}1 / 0\n```", "I cannot draw."
TEXTS, EXPECTED = [SAME, CRASHES, REFUSES], [2.0, 0.0, 0.0]
SIGNALS = {"normalized", "executed", "infra_failure", "attributes", "visual"}
# What the service could not score: the misbehaving one fails the first item of each request.
FAILING = ["```python\nimport x\nreward = 0.5\n```"]
pytestmark = [pytest.mark.trainers, pytest.mark.timeout(1800)]


def call(caller: str, url: str, *arguments: object, python: Path | str = sys.executable, **env: str) -> Any:
    """Run one of callers/ and return what it printed last, as JSON."""
    run = subprocess.run(
        [str(python), str(CALLERS / caller), *map(str, arguments)],
        env={**os.environ, "CHARTREWARD_URL": url, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert run.returncode == 0, f"{run.stdout[-2000:]}\n{run.stderr[-4000:]}"
    return json.loads(run.stdout.strip().splitlines()[-1])


def given(texts: list[str], **more: object) -> str:
    return json.dumps({"texts": texts, "label": CODE, **more})


@pytest.fixture
def failing(service: Misbehaving, server: Server) -> str:
    service.always = lambda: Fault(worker_errors=1)
    return server.url


@pytest.fixture(scope="module")
def trl() -> Path:
    return environment("trl", TRL)


@pytest.fixture(scope="module")
def verl() -> Path:
    return installed("verl==0.9.1")


@pytest.fixture(scope="module")
def ms_swift() -> Path:
    return installed("ms-swift==4.6.0")


@pytest.fixture(scope="module")
def areal() -> Path:
    return installed("areal==1.0.4")


@pytest.fixture(scope="module")
def verifiers() -> Path:
    return installed("verifiers==0.4.0", "prime-pydantic-config==0.4.3", "renderers==0.1.12")


@pytest.fixture(scope="module")
def verifiers_older() -> Path:
    return installed("verifiers==0.3.1")


class TestVerl:
    def test_its_manager_gets_scores_and_the_same_keys(self, verl: Path, base_url: str) -> None:
        found = call("call_verl.py", base_url, verl, given(TEXTS, kwargs={}))
        assert found["rewards"] == EXPECTED
        assert set(found["extra"]) == SIGNALS | {"score"}
        assert found["extra"]["executed"] == [1.0, 0.0, 0.0] and found["extra"]["attributes"][0] == 1.0

    def test_a_constant_for_our_failures_keeps_the_keys(self, verl: Path, failing: str) -> None:
        found = call("call_verl.py", failing, verl, given(FAILING, kwargs={"on_failure": -1}))
        assert found["rewards"] == [-1.0] and found["extra"]["infra_failure"] == [1.0]
        assert set(found["extra"]) == SIGNALS | {"score"}

    def test_otherwise_our_failures_end_the_run(self, verl: Path, failing: str) -> None:
        with pytest.raises(AssertionError, match="UnavailableError"):
            call("call_verl.py", failing, verl, given(FAILING, kwargs={}))


class TestMsSwift:
    def test_both_kinds_a_new_loop_each_step(self, ms_swift: Path, base_url: str) -> None:
        found = call("call_ms_swift.py", base_url, ms_swift, given(TEXTS))
        assert found == dict.fromkeys(("0 chartreward", "1 chartreward_async", "2 chartreward_async"), EXPECTED)

    def test_our_failures_are_no_zero(self, ms_swift: Path, failing: str) -> None:
        with pytest.raises(AssertionError, match="UnavailableError"):
            call("call_ms_swift.py", failing, ms_swift, given(FAILING))


class TestOpenRLHF:
    @pytest.mark.parametrize("version", ["0.11.2", "0.9.1"])  # the newest, and the first that posts single samples
    @pytest.mark.parametrize("endpoints", [1, 3])  # 0.9 sends empty batches to all urls but the first
    def test_each_sample_has_its_answer(self, version: str, endpoints: int, base_url: str) -> None:
        query = "<|im_start|>user\n{}draw<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>"
        texts = [query.format("<|image_pad|>" * 500, text) for text in TEXTS]
        package = installed(f"openrlhf=={version}")
        answers = call("call_openrlhf.py", base_url, package, given(texts, endpoints=endpoints))
        assert [answer["rewards"] for answer in answers] == [[reward] for reward in EXPECTED]
        assert [answer["scores"] for answer in answers] == [[1.0], [0.0], [0.0]]
        logs = [answer["extra_logs"] for answer in answers]
        assert logs[0].keys() == logs[1].keys() == logs[2].keys() and logs[0]["executed"] == [1.0]
        assert all(len(value) == 1 and math.isfinite(value[0]) for log in logs for value in log.values())


class TestAReaL:
    def test_its_pool_of_forked_processes(self, areal: Path, base_url: str) -> None:
        assert call("call_areal.py", base_url, areal, given(TEXTS * 4)) == EXPECTED * 4

    def test_our_failures_are_no_zero(self, areal: Path, failing: str) -> None:
        assert call("call_areal.py", failing, areal, given(FAILING)) == ["UnavailableError"]


class TestVerifiers:
    def test_a_task(self, verifiers: Path, base_url: str) -> None:
        found = call("call_verifiers.py", base_url, verifiers, given(TEXTS))
        assert [one["reward"] for one in found] == EXPECTED
        assert all(set(one["metrics"]) == {f"chart_{name}" for name in SIGNALS} for one in found)

    def test_a_task_whose_scoring_failed_is_an_error(self, verifiers: Path, failing: str) -> None:
        (found,) = call("call_verifiers.py", failing, verifiers, given(FAILING))
        assert "TaskError" in found["error"] and "no reward" in found["error"]

    def test_a_nemo_gym_server(self, verifiers: Path, base_url: str) -> None:
        found = call("call_nemo_gym.py", base_url, verifiers, given(TEXTS))
        assert [one["reward"] for one in found] == EXPECTED
        assert [one["metrics"]["executed"] for one in found] == [1.0, 0.0, 0.0]
        assert {one["metrics"]["mask_sample"] for one in found} == {0.0}

    def test_a_rubric(self, verifiers_older: Path, base_url: str) -> None:
        found = call("call_verifiers_rubric.py", base_url, verifiers_older, given(TEXTS))
        assert [one["reward"] for one in found] == EXPECTED
        assert [one["metrics"]["chart_executed"] for one in found] == [1.0, 0.0, 0.0]
        assert {one["error"] for one in found} == {"None"}

    def test_a_rubric_that_failed_says_so(self, verifiers_older: Path, failing: str) -> None:
        (found,) = call("call_verifiers_rubric.py", failing, verifiers_older, given(FAILING))
        assert "UnavailableError" in found["error"] and found["metrics"]["chart_infra_failure"] == 1.0


class TestTRL:
    def test_plain_and_async_functions(self, trl: Path, base_url: str, tmp_path: Path) -> None:
        found = call("call_trl.py", base_url, given(TEXTS, folder=str(tmp_path)), python=trl)
        both = [[reward, reward] for reward in EXPECTED]
        assert found["rewards"] == {"text": both, "messages": both}
        assert set(found["logged"]) == {f"chart/{name}" for name in SIGNALS}
        assert found["logged"]["chart/executed"] == [pytest.approx(1 / 3)] * 4

    def test_none_for_our_failures(self, trl: Path, failing: str, tmp_path: Path) -> None:
        texts = [FAILING[0], FAILING[0].replace("0.5", "0.25")]
        found = call("call_trl.py", failing, given(texts, folder=str(tmp_path)), python=trl)
        assert found["rewards"]["text"] == [[None, None], [0.25, 0.25]]
        assert found["logged"]["chart/infra_failure"] == [0.5] * 4
        assert found["logged"]["chart/normalized"] == [0.25] * 4


class TestRestated:
    """Not on PyPI: their callers restated from their code (slime `rm_hub.remote_rm`, EasyR1 `reward/function.py`)."""

    def test_slime(self, base_url: str) -> None:
        async def remote_rm(session: aiohttp.ClientSession, text: str) -> Any:
            payload = {"prompt": "draw", "response": text, "label": json.dumps({"code": CODE})}
            for attempt in range(10):
                try:
                    async with session.post(f"{base_url}/rm", json=payload) as answer:
                        answer.raise_for_status()
                        return await answer.json()
                except Exception:
                    if attempt == 9:
                        raise
                    await asyncio.sleep(min(2**attempt, 30) + random.random())
            raise AssertionError

        async def main() -> list[Any]:
            connector, timeout = aiohttp.TCPConnector(limit=64), aiohttp.ClientTimeout(total=120)
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
                return await asyncio.gather(*(remote_rm(session, text) for text in TEXTS * 8))

        assert asyncio.run(main()) == EXPECTED * 8

    def test_easyr1(self, base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """`BatchFunctionRewardManager`: the function from `file.py:name`, one call, numeric means of every key."""
        monkeypatch.setenv("CHARTREWARD_URL", base_url)
        module = importlib.import_module("chartreward.trainers.easyr1")
        assert module.REWARD_TYPE == "batch"
        inputs = [{"response": text, "response_length": len(text), "ground_truth": CODE} for text in TEXTS]
        metrics = defaultdict(list)
        rewards = []
        for score in module.compute_score(inputs):
            rewards.append(score["overall"])
            for key, value in score.items():
                metrics[key].append(value)
        assert rewards == EXPECTED
        means = {key: float(np.mean(values)) for key, values in metrics.items()}
        assert set(means) == SIGNALS | {"overall"} and means["executed"] == pytest.approx(1 / 3)
        assert {len(values) for values in metrics.values()} == {len(TEXTS)}

"""The trainers' own calling code, from PyPI, against a running stack: `make test-trainers`.

Packages are unpacked without their dependencies under .cache/trainers; the one real run has an environment of its own
(.cache/grpo: trl, transformers, datasets and a CPU torch, without torchvision).
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from chartreward.embedded import Stack

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache"
CODE = "import matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [1, 2])\n"
pytestmark = [pytest.mark.trainers, pytest.mark.timeout(1800)]


def installed(package: str) -> Path:
    """The package's files, without its dependencies."""
    folder = CACHE / "trainers" / package
    if not folder.exists():
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target", str(folder)]
        subprocess.run([*pip, package], check=True)
    return folder


def function_of(file: Path, start: str, names: dict) -> dict:
    """Run one top-level function of a module that cannot be imported without its dependencies; returns its globals."""
    import ast

    tree = ast.parse(file.read_text())
    found = [node for node in ast.walk(tree) if getattr(node, "name", None) == start]
    assert found, f"{file} has no {start} any more"
    exec(compile(ast.Module([found[0]], []), str(file), "exec"), names)
    return names


def test_openrlhf_fetches_its_reward(base_url: str) -> None:
    """`_fetch_rewards_via_http` of the installed OpenRLHF, unchanged."""
    import itertools
    import logging
    from types import SimpleNamespace

    import aiohttp

    file = installed("openrlhf") / "openrlhf" / "utils" / "agent.py"
    names = {"aiohttp": aiohttp, "asyncio": asyncio, "logger": logging.getLogger("openrlhf")}
    fetch = function_of(file, "_fetch_rewards_via_http", names)["_fetch_rewards_via_http"]
    endpoints = [f"{base_url}/get_reward"]
    agent = SimpleNamespace(reward_endpoints=endpoints, _reward_endpoint_cycle=itertools.cycle(endpoints))
    query = f"<|im_start|>user\ndraw<|im_end|>\n<|im_start|>assistant\n```python\n{CODE}```<|im_end|>"
    (answer,) = asyncio.run(fetch(agent, [query], ["draw"], [json.dumps({"code": CODE})]))
    assert answer["rewards"] == [2.0]


def test_verl_loads_the_function(monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    """verl's `_call_with_kwargs_async`, which wraps a custom function with `reward_kwargs`."""
    from functools import partial

    from chartreward.trainers.verl import compute_score

    file = installed("verl") / "verl" / "trainer" / "ppo" / "reward.py"
    wrap = function_of(file, "_call_with_kwargs_async", {})["_call_with_kwargs_async"]
    function = partial(wrap, compute_score, {"url": base_url})
    call = function(data_source="charts", solution_str=f"```python\n{CODE}```", ground_truth=CODE, extra_info={})
    assert asyncio.run(call)["score"] == 2.0


@pytest.fixture(scope="module")
def grpo() -> Path:
    python = CACHE / "grpo" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(CACHE / "grpo")], check=True)
        packages = [
            "torch==2.13.0+cpu",
            "trl",
            "transformers",
            "datasets",
            "accelerate",
            "httpx",
            "pydantic",
            "rich",
            "typer",
        ]
        env = {**os.environ, "PIP_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", "/opt/wheels")}
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True, env=env)
    return python


def test_ms_swift_computes_its_rewards(grpo: Path, base_url: str) -> None:
    """`compute_rewards_per_func` of the installed ms-swift: a new event loop for each step."""
    script = f"""
import asyncio, sys, types
import torch, torch.nn as nn
from typing import *
sys.path.insert(0, {str(ROOT)!r})
rewards = types.ModuleType("swift.rewards")
rewards.ORM, rewards.AsyncORM, rewards.orms = type("ORM", (), {{}}), type("AsyncORM", (), {{}}), {{}}
sys.modules |= {{"swift": types.ModuleType("swift"), "swift.rewards": rewards}}
dataset = types.ModuleType("swift.dataset")
class RowPreprocessor:
    @staticmethod
    def rows_to_batched(rows):
        return {{key: [row[key] for row in rows] for key in rows[0]}}
dataset.RowPreprocessor = RowPreprocessor
sys.modules["swift.dataset"] = dataset
import chartreward.trainers.ms_swift
source = open({str(installed("ms-swift") / "swift" / "rl_core" / "grpo_algorithm.py")!r}).read()
start, end = source.index("def _is_async_reward"), source.index("def score_completions")
names = {{"torch": torch, "nn": nn, "GRPOSample": Any, **globals()}}
exec(source[start:end], names)
CODE = {CODE!r}
class Sample:
    messages = [{{"role": "assistant", "content": "```python\\n" + CODE + "```"}}]
    def to_reward_row(self):
        return {{"solution": CODE, "messages": self.messages}}
for name in ("chartreward", "chartreward_async", "chartreward_async"):
    got = names["compute_rewards_per_func"]([Sample(), Sample()], [rewards.orms[name]()], None, torch.device("cpu"))
    assert got.tolist() == [[2.0], [2.0]], got
"""
    env = {**os.environ, "CHARTREWARD_URL": base_url}
    done = subprocess.run([grpo, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_real_grpo_run_survives_a_killed_worker(grpo: Path, tmp_path: Path) -> None:
    """TRL on a CPU, 20 steps; a worker is killed after the tenth. No step is lost, none unscored; it learns."""
    steps, log = 20, tmp_path / "log.jsonl"
    with Stack(workers=2, env={"CHARTREWARD_LOG_LEVEL": "warning"}) as stack:
        command = [
            grpo,
            ROOT / "examples" / "trainers" / "grpo_tiny.py",
            "--url",
            stack.url,
            "--steps",
            steps,
            "--log",
            log,
        ]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
        run = subprocess.Popen(
            list(map(str, command)), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert run.stdout is not None
        said = []
        for line in run.stdout:
            said.append(line)
            if '"step": 10,' in line:
                psutil.Process(stack.processes["workers"].pid).children()[0].kill()
        assert run.wait() == 0, "".join(said[-30:])
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, steps + 1))
    assert all(row["chart/infra_failure"] == 0 for row in rows)
    assert sum(row["reward"] for row in rows[-5:]) > sum(row["reward"] for row in rows[:5])


def test_verifiers_still_has_what_the_adapter_uses() -> None:
    """verifiers 0.4 does not import without its dependencies: its source must define what `score_trace` calls."""
    source = (installed("verifiers") / "verifiers" / "v1" / "trace.py").read_text()
    assert "def last_reply(self) -> str" in source
    assert "def record_metrics(self, values: Mapping[str, float])" in source

"""Rewards out of the hardened containers: the same as anywhere else, whatever is submitted."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import pytest

from chartreward.embedded import Stack
from tests.compose.conftest import CACHE, PROJECT, ROOT, ComposeStack, docker, record
from tests.jail.hostile import ATTACKS, PRELUDE

pytestmark = pytest.mark.compose
CORPUS = ROOT.parent / "shared" / "corpora" / "chartmimic-dev.jsonl.gz"
BENIGN = "import matplotlib.pyplot as plt\nplt.figure(figsize=(2, 1))\nplt.plot([1, 3, 2])\n"


def rollouts(count: int) -> dict[str, Any]:
    """A batch of real model outputs, failing ones included, spread over references and policies."""
    if not CORPUS.exists():
        pytest.skip(f"{CORPUS} is not there")
    references, items = {}, []
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if line["kind"] == "reference":
                references[line["reference"]] = {"code": line["code"]}
            elif line["code"]:
                items.append({"code": line["code"], "reference": line["reference"]})
    step = len(items) // count
    items = [{"id": str(index), **item} for index, item in enumerate(items[::step][:count])]
    used = {item["reference"] for item in items}
    limits = {"timeout_s": 40}  # so that a busy machine changes nothing
    return {"items": items, "references": {n: r for n, r in references.items() if n in used}, "limits": limits}


def comparable(batch: dict[str, Any]) -> list[dict[str, Any]]:
    """Results without what may differ: how long things took."""
    return [{name: value for name, value in result.items() if name != "timing"} for result in batch["results"]]


def test_200_rollouts_score_bit_for_bit_as_in_the_embedded_stack(compose_stack: ComposeStack) -> None:
    request = rollouts(200)
    started = time.monotonic()
    inside = compose_stack.score(**request)
    record(rollouts_per_s_one_worker=round(200 / (time.monotonic() - started), 2))
    usage = docker("stats", "--no-stream", "--format", "{{json .}}", *compose_stack.containers()).stdout
    record(memory_loaded={s["Name"]: s["MemUsage"] for s in map(json.loads, usage.splitlines())})
    with Stack(workers=2, env={"CHARTREWARD_LOG_LEVEL": "warning"}) as embedded:
        outer = ComposeStack.__new__(ComposeStack)  # the same way of asking, another address
        outer.client = _client(embedded.url)
        outside = outer.score(**request)
        outer.client.close()
    assert inside["status"] == outside["status"] == "completed"
    assert len(inside["results"]) == 200
    assert sum(result["status"] == "ok" for result in inside["results"]) > 120
    different = [
        (a["id"], a["status"], a["reward"], b["status"], b["reward"])
        for a, b in zip(comparable(inside), comparable(outside), strict=True)
        if a != b
    ]
    assert different == []


def _client(url: str) -> Any:
    import httpx

    return httpx.Client(base_url=url, timeout=300, trust_env=False)


HOSTILE = ATTACKS[:: max(1, len(ATTACKS) // 15)][:15]


def test_hostile_code_gets_its_status_and_the_stack_goes_on(compose_stack: ComposeStack) -> None:
    assert len({attack.name for attack in HOSTILE}) == 15
    before = {c: compose_stack.inspect(c)["State"]["Pid"] for c in compose_stack.containers()}
    for attack in HOSTILE:
        limits = {"timeout_s": attack.timeout_s, **({"memory_mb": attack.memory_mb} if attack.memory_mb else {})}
        items = [
            {"id": "attack", "code": PRELUDE + attack.code, "reference": {"code": BENIGN}},
            {"id": "benign", "code": f"{BENIGN}# beside {attack.name}\n", "reference": {"code": BENIGN}},
        ]
        attacked, benign = compose_stack.score(items, limits=limits)["results"]
        assert attacked["status"] in attack.statuses, (attack.name, attacked)
        assert "ESCAPED" not in json.dumps(attacked["error"])
        assert benign["status"] == "ok", (attack.name, benign)
        assert benign["normalized"] == pytest.approx(1.0), attack.name
    assert {c: compose_stack.inspect(c)["State"]["Pid"] for c in compose_stack.containers()} == before


def test_the_jails_own_attacks_fail_inside_a_worker_container(compose_stack: ComposeStack) -> None:
    """tests/jail in a container like the worker's, with pytest beside it."""
    packages = CACHE / "pytest"
    if not packages.exists():
        _install_pytest(packages)
    name = f"{PROJECT}-jail"
    docker("rm", "-f", name, check=False)
    confined = [
        *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true", "--init"),
        *("--user", "10001:10001", "--network", "none", "--pids-limit", "256", "--memory", "3g", "--memory-swap", "3g"),
        *("--shm-size", "1m", "--tmpfs", "/tmp:size=512m,nr_inodes=65536,mode=1777,noexec,nosuid,nodev"),
    ]
    application = "/opt/chartreward/application"
    mounts = [
        *("-v", f"{ROOT / 'tests' / 'jail'}:{application}/tests/jail:ro"),
        *("-v", f"{ROOT / 'tests' / '__init__.py'}:{application}/tests/__init__.py:ro"),
        *("-v", f"{ROOT / 'pyproject.toml'}:{application}/pyproject.toml:ro"),
        *("-v", f"{packages}:/pytest:ro"),
        *("-e", f"PYTHONPATH={application}:/pytest"),
    ]
    command = ["python", "-m", "pytest", "-p", "no:cacheprovider", "-rs", "-o", "asyncio_mode=strict", "tests/jail"]
    image = "chartreward/worker:test"
    done = docker("run", "--name", name, *confined, *mounts, image, *command, check=False, timeout=900)
    docker("rm", "-f", name, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = int(done.stdout.rpartition(" passed")[0].split()[-1])
    assert passed >= len(ATTACKS)
    record(jail_tests_in_container=done.stdout.strip().splitlines()[-1])


def _install_pytest(packages: Any) -> None:
    """The test runner as plain files, from the versions installed here."""
    import shutil
    import sysconfig
    from pathlib import Path

    site = Path(sysconfig.get_paths()["purelib"])
    names = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "pytest_timeout.py", "pytest_asyncio")
    metadata = ("pytest-*", "pytest_timeout-*", "pytest_asyncio-*", "hypothesis*")
    for pattern in (*names, *metadata[:3], "typing_extensions.py"):
        for path in site.glob(pattern):
            target = packages / path.name
            if path.is_dir():
                shutil.copytree(path, target, dirs_exist_ok=True)
            else:
                packages.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)

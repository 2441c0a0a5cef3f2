"""Rewards out of the hardened containers: the same as anywhere else, whatever is submitted."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time
from collections import Counter
from typing import Any

import httpx
import pytest

from chartreward.embedded import Stack
from tests.compose.conftest import CACHE, ROOT, ComposeStack, docker, record, score
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


def memory(stack: ComposeStack) -> dict[str, int]:
    """MiB that each service's container holds now."""
    ids = stack.containers()
    shown = docker("stats", "--no-stream", "--no-trunc", "--format", "{{json .}}", *ids).stdout
    units = {"KiB": 1 / 1024, "MiB": 1, "GiB": 1024}
    found = {}
    for line in map(json.loads, shown.splitlines()):
        used = line["MemUsage"].split(" ")[0]
        service = line["Name"].removeprefix(f"{stack.project}-").rpartition("-")[0]
        found[service] = round(float(used[:-3]) * units[used[-3:]])
    return found


def test_200_rollouts_score_bit_for_bit_as_in_the_embedded_stack(compose_stack: ComposeStack) -> None:
    request = rollouts(200)
    record(memory_idle_mib=memory(compose_stack))
    redis_before = compose_stack.metric("chartreward_redis_memory_bytes")
    peaks: Counter[str] = Counter()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            peaks.update({name: max(0, used - peaks[name]) for name, used in memory(compose_stack).items()})

    watching = threading.Thread(target=watch)
    watching.start()
    started = time.monotonic()
    inside = compose_stack.score(**request)
    record(rollouts_per_s_one_worker=round(200 / (time.monotonic() - started), 2))
    over.set()
    watching.join()
    record(memory_peak_mib=dict(peaks))
    redis_after = compose_stack.metric("chartreward_redis_memory_bytes")
    record(redis_kb_per_item=round((redis_after - redis_before) / 200 / 1000, 1))
    embedded = Stack(workers=2, env={"CHARTREWARD_LOG_LEVEL": "warning"})
    try:
        embedded.start()
        embedded.wait_ready(timeout_s=240)
        with httpx.Client(base_url=embedded.url, timeout=300, trust_env=False) as client:
            outside = score(client, request["items"], references=request["references"], limits=request["limits"])
    finally:
        embedded.stop()
    assert inside["status"] == outside["status"] == "completed"
    assert len(inside["results"]) == 200
    assert sum(result["status"] == "ok" for result in inside["results"]) > 120
    different = [
        (one["id"], name, one[name], other[name])
        for one, other in zip(comparable(inside), comparable(outside), strict=True)
        for name in one
        if one[name] != other[name]
    ]
    assert different == [], json.dumps(different[:3])[:4000]


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
    """tests/jail with pytest beside it, in a container that Compose makes for it from the worker's own definition."""
    packages = CACHE / "pytest"
    if not packages.exists():
        _install_pytest(packages)
    application = "/opt/chartreward/application"
    mounts = [
        *("-v", f"{ROOT / 'tests' / 'jail'}:{application}/tests/jail:ro"),
        *("-v", f"{ROOT / 'tests' / '__init__.py'}:{application}/tests/__init__.py:ro"),
        *("-v", f"{ROOT / 'pyproject.toml'}:{application}/pyproject.toml:ro"),
        *("-v", f"{packages}:/pytest:ro"),
        *("-e", f"PYTHONPATH={application}:/pytest"),
    ]
    command = ["python", "-m", "pytest", "-p", "no:cacheprovider", "-rs", "-o", "asyncio_mode=strict", "tests/jail"]
    run = ["run", "--rm", "-T", "--no-deps", *mounts, "worker", *command]
    said = compose_stack.compose(*run, timeout=1800, WORKER_CPUS=str(os.cpu_count()))  # some attacks use several slots
    passed = int(said.rpartition(" passed")[0].split()[-1])
    assert passed >= len(ATTACKS)
    record(jail_tests_in_container=said.strip().splitlines()[-1])


def _install_pytest(packages: Any) -> None:
    """The test runner as plain files, from the versions installed here."""
    import shutil
    import sysconfig
    from pathlib import Path

    site = Path(sysconfig.get_paths()["purelib"])
    names = (
        "pytest",
        "_pytest",
        "pluggy",
        "iniconfig",
        "packaging",
        "pygments",
        "py.py",
        "pytest_timeout.py",
        "pytest_asyncio",
    )
    metadata = ("pytest-*", "pytest_timeout-*", "pytest_asyncio-*", "hypothesis*")
    for pattern in (*names, *metadata[:3], "typing_extensions.py"):
        for path in site.glob(pattern):
            target = packages / path.name
            if path.is_dir():
                shutil.copytree(path, target, dirs_exist_ok=True)
            else:
                packages.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)

"""Metrics: every one documented, what happened counted, several API processes adding up."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chartreward.embedded import Stack, free_port
from tests.queue.conftest import NoopStack, batch

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NoopStack]:
    with NoopStack(tmp_path_factory.mktemp("metrics"), workers=2) as running:
        yield running


def values(url: str) -> dict[tuple[str, str], float]:
    """(name, label values) -> value of every sample."""
    text = httpx.get(f"{url}/metrics", timeout=60).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, ",".join(sample.labels.values())): sample.value for sample in samples}


def until(condition: Callable[[], bool], timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_every_metric_is_documented(shared: NoopStack) -> None:
    text = httpx.get(f"{shared.url}/metrics").text
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    shown = {name for name in kinds if not name.endswith("_created")}
    page = (ROOT / "docs" / "operations.md").read_text().partition("## Metrics")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == shown
    assert all(name.startswith("chartreward_") for name in shown)


def test_where_results_come_from_is_counted(shared: NoopStack, mark: str) -> None:
    def sources() -> dict[str, float]:
        found = values(shared.url)
        names = ("fresh", "cache", "joined", "equal", "no_code")
        return {name: found.get(("chartreward_cache_items_total", name), 0.0) for name in names}

    def post(body: object, wait: int = 60) -> None:
        httpx.post(f"{shared.url}/v1/rewards?wait={wait}", json=body, timeout=90).raise_for_status()

    before = sources()
    body = batch(mark, 3)
    body["items"] += [body["items"][0], {"completion": "nothing", "reference": "r0"}]
    post(body)
    post(body)
    slow = batch(f"{mark} slow", 2, "sleep 1")
    post(slow, 0)
    post(slow)
    rise = {name: count - before[name] for name, count in sources().items()}
    canaries = rise.pop("fresh") - 5  # they are items too
    assert rise == {"cache": 4.0, "joined": 2.0, "equal": 1.0, "no_code": 2.0} and 0 <= canaries < 60


def test_restarts_and_deaths_are_counted(shared: NoopStack) -> None:
    before = values(shared.url)
    worker = psutil.Process(shared.processes["workers"].pid).children()[0]
    worker.send_signal(signal.SIGKILL)
    names = [("chartreward_worker_restarts_total", ""), ("chartreward_worker_deaths_total", "")]
    until(lambda: all(values(shared.url)[name] > before[name] for name in names))
    until(lambda: values(shared.url)["chartreward_workers", ""] == 2)


def test_denied_operations_are_named(stack: Stack, mark: str) -> None:
    """The real jail; a name that the code made up would count as `other`."""
    chart = "import matplotlib.pyplot as plt\nplt.plot([1])\n"
    codes = ["import socket\nsocket.create_connection(('192.0.2.1', 80))", "open('/root/x', 'w')"]
    items = [{"code": f"{code}\n# {mark}", "reference": {"code": chart}} for code in codes]
    done = httpx.post(f"{stack.url}/v1/rewards?wait=90", json={"items": items}, timeout=100).json()
    assert done["counts"] == {"forbidden": 2}
    for operation in ("socket.__new__", "open"):  # flushed with a heartbeat
        until(lambda name=operation: values(stack.url).get(("chartreward_denied_operations_total", name), 0) > 0)


@pytest.mark.slow
def test_several_processes_show_one_truth(shared: NoopStack, tmp_path: Path) -> None:
    """Two API processes on one port: whichever answers, it counts the requests of both."""
    port = free_port()
    env = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "CHARTREWARD_REDIS_URL": shared.redis_url or "",
        "CHARTREWARD_LOG_LEVEL": "error",
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "service.app:create_app", "--workers", "2"]
    options = ["--port", str(port), "--log-level", "error"]
    process = subprocess.Popen([*command, *options], env=env, cwd=ROOT, start_new_session=True)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return False
        return httpx.get(f"{url}/healthz").status_code == 200

    try:
        until(answers, 60)
        with ThreadPoolExecutor(16) as pool:  # until both have answered something

            def both() -> bool:
                list(pool.map(lambda _: httpx.get(f"{url}/healthz", timeout=60), range(64)))
                return len(list(tmp_path.glob("counter_*.db"))) >= 2

            until(both, 60)
        before = values(url).get(("chartreward_http_requests_total", "/v1/ping,200"), 0.0)
        for _ in range(40):
            assert httpx.get(f"{url}/v1/ping").status_code == 200  # a connection each
        for _ in range(8):
            assert values(url)["chartreward_http_requests_total", "/v1/ping,200"] - before == 40
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)

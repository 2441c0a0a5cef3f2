"""One trace from the caller through queue, jail and score; and nothing of it when it is off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from chartreward.embedded import Stack

ROOT = Path(__file__).parents[2]
CHART = "import matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [1, 2])\n"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def spans(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.slow
def test_a_request_is_one_trace_through_the_queue(tmp_path: Path, mark: str) -> None:
    out = tmp_path / "spans.jsonl"
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-Id": mark}
    with Stack(workers=1, env={"CHARTREWARD_TRACES": f"file:{out}", "CHARTREWARD_LOG_LEVEL": "error"}) as stack:
        items = [{"code": f"{CHART}# {mark} {n}", "reference": {"code": CHART}} for n in range(2)]
        answer = httpx.post(f"{stack.url}/v1/rewards?wait=90", json={"items": items}, headers=headers, timeout=100)
        assert answer.json()["counts"] == {"ok": 2}

        def found() -> dict[str, list[dict[str, Any]]]:
            mine = [span for span in spans(out) if span["context"]["trace_id"] == f"0x{TRACE}"]
            return {name: [span for span in mine if span["name"] == name] for name in {span["name"] for span in mine}}

        deadline = time.monotonic() + 60
        while set(found()) != {"POST /v1/rewards", "queue", "chunk", "jail", "features", "score"}:
            assert time.monotonic() < deadline, sorted(found())
            time.sleep(0.1)
        by_name = found()
    (request,) = by_name["POST /v1/rewards"]
    assert request["parent_id"] == "0xb7ad6b7169203331"
    assert request["attributes"] == {"request": mark, "http.response.status_code": 200}
    ids = {span["context"]["span_id"] for span in by_name["chunk"]}
    for name in ("queue", "chunk"):
        assert {span["parent_id"] for span in by_name[name]} == {request["context"]["span_id"]}
    for name in ("jail", "features", "score"):
        assert {span["parent_id"] for span in by_name[name]} <= ids
    assert len(by_name["score"]) == len(by_name["features"]) == 2
    assert len(by_name["jail"]) >= 2
    assert {span["attributes"]["status"] for span in by_name["jail"]} == {"ok"}
    names = {span["resource"]["attributes"]["service.name"] for spans_ in by_name.values() for span in spans_}
    assert names == {"chartreward-api", "chartreward-worker"}
    assert "plt.bar" not in out.read_text()


def test_off_means_nothing_is_imported() -> None:
    code = (
        "import sys\nfrom service.app import create_app\nfrom chartreward import tracing\nimport worker.runner\n"
        "create_app()\nassert tracing.carrier() is None\n"
        "with tracing.span('x') as span: span.note('a', 1)\n"
        # redis-py and FastAPI import opentelemetry.sdk.metrics by themselves where it is installed
        "ours = ('opentelemetry.sdk.trace', 'opentelemetry.exporter')\n"
        "print([name for name in sys.modules if name.startswith(ours)])"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("CHARTREWARD_")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0 and done.stdout.strip() == "[]", done.stderr


def test_a_missing_sdk_is_said() -> None:
    code = (
        "import sys\nsys.modules['opentelemetry.sdk'] = None\nfrom chartreward import tracing\n"
        "tracing.configure('http://127.0.0.1:1/v1/traces', 'x')\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1 and "chartreward[otel]" in done.stderr

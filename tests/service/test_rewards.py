"""Rewards through the whole stack: real jail, real features, real HTTP."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest

from chartreward.models import Batch, Status

CHARTS = Path(__file__).parents[2] / "examples" / "charts"
SALES = (CHARTS / "sales.py").read_text()


def score(url: str, items: list[dict[str, Any]], **extra: Any) -> Batch:
    body = {"items": items, "references": {"sales": {"code": SALES}}, **extra}
    answer = httpx.post(f"{url}/v1/rewards", params={"wait": 60}, json=body, timeout=70)
    assert answer.status_code == 200, answer.text
    return Batch.model_validate_json(answer.content)


def test_a_batch_of_everything(base_url: str) -> None:
    done = score(
        base_url,
        [
            {"id": "same", "code": SALES, "reference": "sales"},
            {"id": "colours", "code": (CHARTS / "wrong_colors.py").read_text(), "reference": "sales"},
            {"id": "crash", "code": (CHARTS / "crash.py").read_text(), "reference": "sales"},
            {"id": "syntax", "code": "def (:\n", "reference": "sales"},
            {"id": "nothing", "code": "x = 1\n", "reference": "sales"},
            {"id": "loop", "code": "while True: pass\n", "reference": "sales"},
            {"id": "talk", "completion": "I cannot draw that.", "reference": "sales"},
            {"id": "md", "completion": (CHARTS / "rewritten.md").read_text(), "reference": "sales"},
            {"id": "bad reference", "code": SALES, "reference": {"code": "1/0"}},
        ],
        limits={"timeout_s": 1.5},
    )
    by_id = {result.id: result for result in done.results}
    statuses = {name: result.status.value for name, result in by_id.items()}
    assert statuses == {
        "same": "ok",
        "colours": "ok",
        "crash": "runtime_error",
        "syntax": "syntax_error",
        "nothing": "no_figure",
        "loop": "timeout",
        "talk": "no_code",
        "md": "ok",
        "bad reference": "bad_reference",
    }
    assert by_id["same"].reward == pytest.approx(2.0, abs=1e-6) and by_id["same"].normalized == pytest.approx(1.0)
    assert 0 < (by_id["colours"].reward or 0) < 1.99
    for name in ("crash", "syntax", "nothing", "loop", "talk"):
        assert by_id[name].reward == 0.0 and by_id[name].error is not None
    assert by_id["crash"].error is not None and by_id["crash"].error.line == 13
    assert by_id["bad reference"].reward is None
    assert done.counts[Status.OK] == 3 and done.total == done.done == 9


def test_same_request_same_bits(base_url: str) -> None:
    """Scored twice without the cache: a comment makes other work of the same picture."""
    code = (CHARTS / "wrong_data.py").read_text()
    done = score(base_url, [{"code": f"{code}\n# {n}\n", "reference": "sales"} for n in range(4)])
    assert len({(result.reward, str(result.signals)) for result in done.results}) == 1


def test_references_are_registered_once_and_named_by_id(base_url: str) -> None:
    first = httpx.post(f"{base_url}/v1/references", json={"code": SALES})
    again = httpx.post(f"{base_url}/v1/references", json={"code": SALES})
    assert first.status_code == again.status_code == 201
    reference = first.json()["id"]
    assert reference == again.json()["id"] and reference.startswith("ref_")
    assert httpx.get(f"{base_url}/v1/references/{reference}").json()["kind"] == "code"
    done = score(base_url, [{"code": SALES, "reference": {"id": reference}}])
    assert done.results[0].reward == pytest.approx(2.0) and done.results[0].reference == reference


def test_picture_as_reference_and_renders(base_url: str) -> None:
    image = base64.b64encode((CHARTS / "sales.png").read_bytes()).decode()
    items = [{"code": SALES, "reference": {"image": image}}]
    result = score(base_url, items, **{"return": ["render", "description"]}).results[0]
    assert result.status is Status.OK and result.description is not None and result.render is not None
    png = httpx.get(f"{base_url}{result.render.url}")
    assert png.headers["content-type"] == "image/png" and png.content.startswith(b"\x89PNG")
    assert httpx.get(f"{base_url}{result.render.url}").headers["etag"]


def test_truncated_picture_is_a_bad_reference(base_url: str) -> None:
    data = (CHARTS / "sales.png").read_bytes()[:3000]
    items = [{"code": SALES, "reference": {"image": base64.b64encode(data).decode()}}]
    result = score(base_url, items).results[0]
    assert result.status is Status.BAD_REFERENCE and result.reward is None


def test_runtimes_differ(base_url: str) -> None:
    code = "import matplotlib.pyplot as plt\nimport matplotlib\nplt.title(matplotlib.__version__)\n"
    done = score(base_url, [{"code": code, "reference": {"code": code}}], runtime="current")
    assert done.runtime == "current" and done.results[0].status is Status.OK


def test_health_readiness_and_information(base_url: str) -> None:
    for path, text in (("/healthz", "ok"), ("/health", "ok"), ("/ping", "pong"), ("/v1/ping", "pong")):
        assert httpx.get(f"{base_url}{path}").text == text
    ready = httpx.get(f"{base_url}/readyz").json()
    assert ready["ready"] and ready["canary_age_s"] < 25 and ready["level"] == "full"
    info = httpx.get(f"{base_url}/v1/info").json()
    assert info["level"] == "full" and info["default_runtime"] == "mpl38" and "chartsimrl" in info["profiles"]
    workers = httpx.get(f"{base_url}/v1/workers").json()
    assert len(workers) == 2 and all(worker["rss_mb"] > 50 and worker["state"] for worker in workers)
    profiles = httpx.get(f"{base_url}/v1/profiles").json()
    assert {profile["name"] for profile in profiles} == set(info["profiles"])
    assert all(len(profile["formula"]) > 20 and len(profile["citation"]) > 10 for profile in profiles)


def test_metrics_count_what_happened(base_url: str) -> None:
    score(base_url, [{"code": "1/0", "reference": "sales"}])
    text = httpx.get(f"{base_url}/metrics").text
    assert 'chartreward_items_total{status="runtime_error"}' in text
    assert "chartreward_items_under_way" in text and "chartreward_ready 1.0" in text
    assert 'chartreward_http_requests_total{route="/v1/rewards",status="200"}' in text

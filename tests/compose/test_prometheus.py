"""The monitoring profile's Prometheus (Debian's program in an image laid out like the official one): its configuration
and alerts are right by promtool, it finds and scrapes the API, and every query of dashboard and alerts has an answer.

Grafana has no package that could be run here: its dashboard is checked by these queries and test_monitoring.py alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.compose.conftest import ComposeStack, docker, until
from tests.compose.test_monitoring import MONITORING, expressions

pytestmark = pytest.mark.compose
CODE = "import matplotlib.pyplot as plt\nplt.bar(['scraped'], [1])\n"


@pytest.fixture(scope="module")
def prometheus(compose_stack: ComposeStack) -> Iterator[str]:
    """Its container, up and healthy; gone afterwards."""
    profile = ("--profile", "monitoring")
    compose_stack.compose(*profile, "up", "-d", "--wait", "--no-build", "--no-deps", "prometheus")
    (container,) = compose_stack.containers("prometheus")
    yield container
    compose_stack.compose(*profile, "rm", "--stop", "--force", "prometheus")


def query(container: str, expression: str) -> list[dict[str, Any]]:
    """The series that an instant query yields; one that is wrong fails."""
    address = "http://localhost:9090"
    said = docker("exec", container, "promtool", "query", "instant", "-o", "json", address, expression).stdout
    found: list[dict[str, Any]] = json.loads(said)
    return found


def values(container: str, expression: str) -> list[str]:
    return [series["value"][1] for series in query(container, expression)]


def test_promtool_accepts_configuration_and_alerts(prometheus: str) -> None:
    said = docker("exec", prometheus, "promtool", "check", "config", "/etc/prometheus/prometheus.yml")
    alerts = yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))
    count = sum(len(group["rules"]) for group in alerts["groups"])
    assert f"{count} rules found" in said.stdout + said.stderr


def test_the_api_is_found_and_scraped(prometheus: str, compose_stack: ComposeStack) -> None:
    until(lambda: "1" in values(prometheus, 'up{job="chartreward"}'), "the API is scraped")
    (result,) = compose_stack.score([{"code": CODE, "reference": {"code": CODE}}])["results"]
    assert result["status"] == "ok"
    expected = compose_stack.client.get("/metrics").text
    (line,) = [x for x in expected.splitlines() if x.startswith('chartreward_items_total{status="ok"}')]
    value = float(line.split()[1])
    assert value >= 1
    ok = 'chartreward_items_total{status="ok"}'
    until(lambda: any(float(seen) >= value for seen in values(prometheus, ok)), "the item is counted there")


def test_every_query_has_an_answer(prometheus: str, compose_stack: ComposeStack) -> None:
    """An alert that does not fire yields nothing, nor does what has not happened yet; everything else has to."""
    for _ in range(2):  # the second comes from the cache, which is a metric too
        (result,) = compose_stack.score([{"code": f"{CODE}# again\n", "reference": {"code": CODE}}])["results"]
        assert result["status"] == "ok"
    alerts = {
        rule["alert"] for g in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"] for rule in g["rules"]
    }
    for name, expression in expressions().items():
        if name in alerts or name.startswith(("Waiting batches/", "Denied operations/")):
            query(prometheus, expression)
        else:
            until(lambda e=expression: bool(query(prometheus, e)), f"{name}: {expression}")

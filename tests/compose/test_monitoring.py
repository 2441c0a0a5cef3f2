"""What Prometheus and Grafana are provisioned with asks for metrics that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "docker" / "monitoring"


def expressions() -> dict[str, str]:
    """Every query of the dashboard and of the alerts, by panel or alert."""
    folder = MONITORING / "grafana"
    dashboard = json.loads((folder / "dashboards" / "chartreward.json").read_text(encoding="utf-8"))
    found = {
        f"{panel['title']}/{target['refId']}": target["expr"]
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))["groups"]:
        found |= {rule["alert"]: rule["expr"] for rule in group["rules"]}
    return found


def test_every_query_names_metrics_and_labels_that_the_api_exposes(base_url: str) -> None:
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n"
    item = {"code": code, "reference": {"code": code}}
    answer = httpx.post(f"{base_url}/v1/rewards", params={"wait": 60}, json={"items": [item]}, timeout=70)
    assert answer.status_code == 200
    text = httpx.get(f"{base_url}/metrics").text
    exposed = {line.split("{")[0].split(" ")[0]: line for line in text.splitlines() if line and line[0] != "#"}
    declared = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    queries = expressions()
    assert len(queries) >= 18
    asked = set()
    for name, query in queries.items():
        metrics = set(re.findall(r"chartreward_\w+", query))
        assert metrics, name
        assert metrics <= set(exposed) | declared, (name, metrics - set(exposed))
        asked |= metrics
        for labels in re.findall(r"by \(([^)]*)\)", query):
            for label in labels.split(","):
                assert all(f'{label.strip()}="' in exposed[metric] for metric in metrics if metric in exposed), name
    # And nothing that is exposed goes unseen.
    families = {re.sub(r"_(total|bucket|sum|count|created)$", "", name) for name in exposed}
    assert {f for f in families if f.startswith("chartreward_")} <= {
        re.sub(r"_(total|bucket|sum|count)$", "", name) for name in asked
    }


def test_the_dashboard_fits_its_grid() -> None:
    dashboard = json.loads((MONITORING / "grafana" / "dashboards" / "chartreward.json").read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells

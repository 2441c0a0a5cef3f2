"""Down means gone; and the same file serves the older docker-compose. Runs last: the file's name sees to it."""

from __future__ import annotations

import json
import signal

import pytest

from tests.compose.conftest import ComposeStack, docker

pytestmark = pytest.mark.compose


def leftovers(project: str) -> dict[str, str]:
    label = f"label=com.docker.compose.project={project}"
    return {
        "containers": docker("ps", "-aq", "--filter", label).stdout,
        "networks": docker("network", "ls", "-q", "--filter", label).stdout,
        "volumes": docker("volume", "ls", "-q", "--filter", label).stdout,
    }


def test_down_leaves_nothing(compose_stack: ComposeStack) -> None:
    assert all(leftovers(compose_stack.project).values())  # the check can see them
    codes = {service: compose_stack.containers(service)[0] for service in ("redis", "api", "worker")}
    compose_stack.compose("stop")
    ended = {name: compose_stack.inspect(container)["State"]["ExitCode"] for name, container in codes.items()}
    # In good order (uvicorn ends by the signal it was sent, after draining), not by the kill after the grace period.
    assert ended == {"redis": 0, "api": 128 + signal.SIGTERM, "worker": 0}
    compose_stack.down()
    assert leftovers(compose_stack.project) == {"containers": "", "networks": "", "volumes": ""}


def test_docker_compose_1_29_runs_the_same_file(stacks: dict[int, ComposeStack]) -> None:
    old = stacks[1]
    assert old.compose("version", "--short").startswith("1.29")
    old.up("--scale", "worker=2")
    assert len(old.containers("worker")) == 2
    (network,) = json.loads(docker("network", "inspect", f"{old.project}_queue").stdout)
    assert network["Internal"] is True
    assert network["Options"] == {"com.docker.network.bridge.inhibit_ipv4": "true"}
    code = "import matplotlib.pyplot as plt\nplt.bar(['a'], [1])\n"
    (result,) = old.score([{"code": code, "reference": {"code": code}}])["results"]
    assert result["status"] == "ok"
    assert result["normalized"] == pytest.approx(1.0)
    old.down()
    assert leftovers(old.project) == {"containers": "", "networks": "", "volumes": ""}

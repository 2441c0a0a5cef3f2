"""What the images hold, how they are built without a network, and what their build arguments do."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.compose.conftest import ROOT, ComposeStack, docker, record
from worker.vision.networks import build_network

pytestmark = pytest.mark.compose


def image(name: str) -> dict[str, Any]:
    """What the engine knows of an image."""
    found: list[dict[str, Any]] = json.loads(docker("image", "inspect", name).stdout)
    return found[0]


@pytest.mark.parametrize(("name", "largest_mb"), [("api", 300), ("worker", 2000)])
def test_images_hold_what_runs_and_little_else(name: str, largest_mb: int, compose_stack: ComposeStack) -> None:
    facts = image(f"chartreward/{name}:test")
    record(**{f"{name}_image_mb": round(facts["Size"] / 1e6)})
    assert facts["Size"] / 1e6 < largest_mb
    assert facts["Config"]["User"] == "10001:10001"
    labels = facts["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == "test"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert {f"org.opencontainers.image.{label}" for label in ("title", "description", "revision")} <= set(labels)
    assert facts["Config"]["Healthcheck"]["Test"] == ["CMD", "python", "/opt/chartreward/health.py", name]
    assert not [variable for variable in facts["Config"]["Env"] if "PASSWORD" in variable or "KEY" in variable]
    container = compose_stack.containers(name)[0]
    for tool in ("gcc", "cc", "g++", "clang", "make", "ld", "pip", "pip3", "git", "curl", "wget"):
        assert compose_stack.execute(container, "sh", "-c", f"command -v {tool} || true") == "", tool
    writable = "find /opt/chartreward ! -type l ( -perm -002 -o -user 10001 ) -print -quit"
    assert compose_stack.execute(container, *writable.split()) == ""
    left = "find / -xdev ( -path */.cache/pip* -o -path /wheelhouse/* -o -path /opt/*.whl ) -print -quit"
    assert docker("exec", "-u", "0", container, *left.split(), check=False).stdout == ""


def test_the_worker_image_has_both_runtimes_and_they_hold_charts_alone(compose_stack: ComposeStack) -> None:
    (worker,) = compose_stack.client.get("/v1/workers").json()
    assert worker["level"] == "full"
    assert set(worker["runtimes"]) == {"mpl38", "current"}
    assert re.match(r"matplotlib 3\.8\.4, numpy 1\.26\.", worker["runtimes"]["mpl38"])
    container = compose_stack.containers("worker")[0]
    for runtime in ("mpl38", "current"):
        python = f"/opt/chartreward/application/.runtimes/{runtime}/bin/python"
        find = (
            "import importlib.util as u; print([n for n in ('torch','redis','fastapi','pydantic') if u.find_spec(n)])"
        )
        assert compose_stack.execute(container, python, "-I", "-c", find).strip() == "[]"


def test_both_generations_build_the_same_images_and_neither_needs_a_network(stacks: dict[int, ComposeStack]) -> None:
    assert {one.environment["BUILD_NETWORK"] for one in stacks.values()} == {"none"}
    names = [f"chartreward/{name}:test" for name in ("api", "worker")]
    by_v2 = [image(name)["RootFS"]["Layers"] for name in names]
    stacks[1].compose("build", timeout=1800)
    assert [image(name)["RootFS"]["Layers"] for name in names] == by_v2


def test_a_build_without_wheels_or_network_fails_and_says_what_it_missed(engine: None, tmp_path: Path) -> None:
    """So the builds above were offline indeed."""
    context = tmp_path / "context"
    (context / "wheelhouse").mkdir(parents=True)
    shutil.copytree(ROOT / "requirements", context / "requirements")
    shutil.copytree(ROOT / "docker", context / "docker", ignore=shutil.ignore_patterns("*.pth"))
    shutil.copy(ROOT / "pyproject.toml", context)
    command = ["build", "--network", "none", "--progress", "plain", "--target", "api-environment"]
    arguments = [
        "--build-arg",
        "BASE_IMAGE=chartreward-test/base:bookworm",
        "-f",
        str(context / "docker" / "Dockerfile"),
    ]
    done = docker(*command, *arguments, str(context), check=False, timeout=900)
    assert done.returncode != 0
    assert "Failed to establish a new connection" in done.stderr


# --- a ResNet-18 of one's own -------------------------------------------------------------------


@pytest.fixture
def checkpoint() -> Iterator[Path]:
    """A file as torchvision's, laid where the build looks (its statistics moved, or it would count as untrained)."""
    path = ROOT / "docker" / "weights" / "test-resnet18.pth"
    state = build_network("resnet18", None).state_dict()
    for name, value in state.items():
        if name.endswith(("running_mean", "running_var")):
            value.add_(0.1)
    torch.save(state, path)
    yield path
    path.unlink()


def test_a_checkpoint_goes_into_the_worker_and_its_sum_is_checked(
    checkpoint: Path, compose_stack: ComposeStack
) -> None:
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    settings = {"CHARTREWARD_VERSION": "test-weights", "RESNET18": checkpoint.name}
    with pytest.raises(AssertionError, match="does not begin with RESNET18_SHA256=f37072fd"):
        compose_stack.compose("build", "worker", **settings)
    compose_stack.compose("build", "worker", **settings, RESNET18_SHA256=digest[:8])
    tag = "chartreward/worker:test-weights"
    loaded = (
        "from worker.settings import WorkerSettings; from worker.pipeline import load_backbones; "
        "print(load_backbones(WorkerSettings())['resnet18'].weights)"
    )
    try:
        confined = ["--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp"]
        said = docker("run", *confined, tag, "python", "-c", loaded).stdout
    finally:
        docker("image", "rm", tag)
    assert said.strip() == digest


def test_the_cuda_worker_is_the_worker_with_another_torch(compose_stack: ComposeStack) -> None:
    """Built here from the same wheelhouse, so with the CPU's torch: this machine has no GPU to run it on."""
    whole = json.loads(compose_stack.compose("--profile", "gpu", "config", "--format", "json"))["services"]
    assert whole["worker-gpu"]["build"]["args"]["TORCH_INDEX"].endswith("/cu130")
    (device,) = whole["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]
    same = whole["worker"]["build"]["args"]["TORCH_INDEX"]
    compose_stack.compose("--profile", "gpu", "build", "worker-gpu", timeout=1800, TORCH_CUDA_INDEX=same)
    cuda, worker = image("chartreward/worker-cuda:test"), image("chartreward/worker:test")
    assert cuda["RootFS"]["Layers"] == worker["RootFS"]["Layers"]
    environment = dict(line.split("=", 1) for line in cuda["Config"]["Env"])
    assert environment["CHARTREWARD_DEVICE"] == "cuda"
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert cuda["Config"]["User"] == worker["Config"]["User"]
    assert cuda["Config"]["Healthcheck"] == worker["Config"]["Healthcheck"]
    docker("image", "rm", "chartreward/worker-cuda:test")


# --- the other compose files --------------------------------------------------------------------


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("extra", ["fleet", "remote"])
def test_the_files_for_several_machines_fit(generation: int, extra: str, stacks: dict[int, ComposeStack]) -> None:
    files = ["-f", "docker-compose.yml", "-f", f"docker/compose.{extra}.yml"]
    variables = {"REDIS_BIND": "127.0.0.2", "REDIS_URL": "redis://192.0.2.1:6379/0"}
    shown = yaml.safe_load(stacks[generation].compose(*files, "--profile", "gpu", "config", **variables))
    redis, worker = shown["services"]["redis"], shown["services"]["worker"]
    if extra == "fleet":
        assert "fleet" in redis["networks"]
        (port,) = redis["ports"]
        assert (port if isinstance(port, str) else port["host_ip"]).startswith("127.0.0.2")
    else:
        assert worker["environment"]["CHARTREWARD_REDIS_URL"] == variables["REDIS_URL"]
        assert set(worker["networks"]) == {"queue", "fleet"}
        assert "ports" not in redis

"""The Kubernetes manifests: built by kustomize, valid by Kubernetes' own schemas, as confined as the compose stack."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose.conftest import CACHE, ROOT

pytestmark = pytest.mark.compose
VALIDATE = """
import sys, yaml, kubernetes_validate as k
for document in yaml.safe_load_all(sys.stdin):
    if not document["apiVersion"].startswith("keda.sh/"):
        k.validate(document, k.latest_version(), strict=True)
        print(document["kind"])
"""


@pytest.fixture(scope="session")
def built(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """kustomize's output for a folder of deploy/k8s, with secrets laid where the comment there says."""
    folder = tmp_path_factory.mktemp("k8s")
    shutil.copytree(ROOT / "deploy" / "k8s", folder, dirs_exist_ok=True)
    environment = {**os.environ, "SECRETS": str(folder / "base" / "secrets"), "ENV_FILE": str(folder / "env")}
    subprocess.run([ROOT / "docker" / "setup.sh"], env=environment, check=True, capture_output=True)

    def build(name: str) -> str:
        command = [str(CACHE / "kustomize"), "build", str(folder / name)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return build


def default(value: str) -> str:
    """What `${NAME:-default}` gives when NAME is unset; other text as it is."""
    found = re.fullmatch(r"\$\{\w+:-(.*)\}", value)
    return found[1] if found else value


def documents(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize("name", ["base", "keda"])
def test_manifests_are_valid(name: str, built: Callable[[str], str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", VALIDATE],
        input=built(name),
        env={**os.environ, "PYTHONPATH": str(CACHE / "kubernetes")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split().count("Deployment") == 2
    assert done.stdout.split().count("StatefulSet") == 1


def test_a_wrong_field_is_noticed(built: Callable[[str], str]) -> None:
    wrong = built("base").replace("readOnlyRootFilesystem", "readonlyRootFilesystem", 1)
    environment = {**os.environ, "PYTHONPATH": str(CACHE / "kubernetes")}
    done = subprocess.run(
        [sys.executable, "-c", VALIDATE], input=wrong, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0


def test_pods_are_confined_like_the_containers_of_compose(built: Callable[[str], str]) -> None:
    pods = {
        document["metadata"]["name"]: document["spec"]["template"]["spec"]
        for document in documents(built("base"))
        if document["kind"] in {"Deployment", "StatefulSet"}
    }
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    assert set(pods) == {"redis", "api", "worker"}
    for name, pod in pods.items():
        user, _, group = services[name]["user"].partition(":")
        assert pod["securityContext"]["runAsUser"] == int(user)
        assert pod["securityContext"]["runAsGroup"] == int(group)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert f"{pod['terminationGracePeriodSeconds']}s" == services[name]["stop_grace_period"]
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        limits = container["resources"]["limits"]
        assert limits["memory"].removesuffix("i").lower() == default(services[name]["mem_limit"])
        assert float(limits["cpu"]) == float(default(services[name]["cpus"]))
        assert {"startupProbe", "readinessProbe"} <= set(container)
        (tmp,) = [volume for volume in pod["volumes"] if volume["name"] == "tmp"]
        assert tmp["emptyDir"]["medium"] == "Memory"
        (size,) = re.findall(r"size=([^,}]*?\d+m)", services[name]["tmpfs"][0].replace("${WORKER_TMP:-", ""))
        assert tmp["emptyDir"]["sizeLimit"].removesuffix("i").lower() == size


def test_pods_reach_redis_and_nothing_else(built: Callable[[str], str]) -> None:
    policies = {d["metadata"]["name"]: d["spec"] for d in documents(built("base")) if d["kind"] == "NetworkPolicy"}
    assert policies["nothing"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    to = [rule["ports"] for rule in policies["to-redis"]["egress"]]
    assert [[port["port"] for port in ports] for ports in to] == [[6379], [53, 53]]
    assert {name for name, policy in policies.items() if "egress" in policy} == {"to-redis"}


def test_scaling_follows_the_sorted_set_of_items_under_way(built: Callable[[str], str]) -> None:
    from chartreward import ledger

    found = {d["kind"]: d for d in documents(built("keda")) if d["apiVersion"].startswith("keda.sh/")}
    (trigger,) = found["ScaledObject"]["spec"]["triggers"]
    assert trigger["metadata"]["listName"] == ledger.INFLIGHT
    assert trigger["authenticationRef"]["name"] == found["TriggerAuthentication"]["metadata"]["name"]
    (secret,) = found["TriggerAuthentication"]["spec"]["secretTargetRef"]
    names = {d["metadata"]["name"]: d for d in documents(built("keda")) if d["kind"] == "Secret"}
    assert secret["key"] in names[secret["name"]]["data"]  # kustomize carries its generated name into KEDA's type
    worker = next(
        d for d in documents(built("keda")) if d["kind"] == "Deployment" and d["metadata"]["name"] == "worker"
    )
    assert "replicas" not in worker["spec"]


def test_the_redis_configuration_is_that_of_compose() -> None:
    ours, theirs = Path("docker/redis.conf"), Path("deploy/k8s/base/redis.conf")
    assert (ROOT / ours).read_bytes() == (ROOT / theirs).read_bytes()

"""The stack of docker-compose.yml, built and started on a real engine: one for all tests of this folder."""

from __future__ import annotations

import fcntl
import json
import os
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "compose"
PROJECT = "chartreward-test"


def free_port() -> int:
    """One that no outgoing connection is given while the API's container is away (those begin at 32768)."""
    for _ in range(200):
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def docker(*arguments: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the docker client."""
    # Debian's client first, as in engine.sh; looked up now, because engine.sh may have just installed it.
    client = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    done = subprocess.run(
        [client, *arguments], env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}{done.stdout}"
    return done


def until(condition: Callable[[], bool], what: str, timeout: float = 300) -> None:
    """Wait for something; how long it takes on a busy machine is nobody's fault."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"after {timeout:.0f} s still not: {what}"
        time.sleep(0.3)


class ComposeStack:
    """A project of docker-compose.yml, driven by one generation of Compose."""

    def __init__(self, folder: Path, generation: int, project: str = PROJECT) -> None:
        self.generation, self.project = generation, project
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # Debian's docker client comes first on the path: docker-compose 1.29 builds with it.
        self.environment = {
            **os.environ,
            "PATH": f"/usr/bin:{os.environ['PATH']}",
            "COMPOSE_PROJECT_NAME": project,
            "COMPOSE_DOCKER_CLI_BUILD": "1",
            "DOCKER_BUILDKIT": "1",
            "ENV_FILE": str(folder / "env"),
            "SECRETS": str(folder / "secrets"),
            "API_PORT": str(self.port),
            "BASE_IMAGE": "chartreward-test/base:bookworm",
            "BUILD_NETWORK": "none",
            "REDIS_IMAGE": "chartreward-test/redis:7",
            "PROMETHEUS_IMAGE": "chartreward-test/prometheus:2",
            "CHARTREWARD_VERSION": "test",
        }
        folder.mkdir(parents=True, exist_ok=True)
        said = subprocess.run(
            [ROOT / "docker" / "setup.sh"], env=self.environment, capture_output=True, text=True, check=True
        ).stdout
        self.secrets = folder / "secrets"
        self.key = said.rpartition(" ")[2].strip()
        self.client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=300, trust_env=False
        )

    def compose(self, *arguments: str, timeout: float = 600, **environment: str) -> str:
        """Run Compose in this project, with more variables if given; its output."""
        program = [str(CACHE / "compose-v2")] if self.generation == 2 else ["docker-compose"]
        done = subprocess.run(
            [*program, *arguments],
            cwd=ROOT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"compose {' '.join(arguments)}: {done.stderr[-4000:]}{done.stdout[-2000:]}"
        return done.stdout

    def up(self, *arguments: str) -> float:
        """Start everything and wait until it is healthy; seconds that took."""
        started = time.monotonic()
        if self.generation == 2:
            self.compose("up", "-d", "--wait", "--no-build", *arguments)
        else:
            self.compose("up", "-d", "--no-build", *arguments)
        self.wait_healthy()
        return time.monotonic() - started

    def down(self, *arguments: str) -> None:
        """Remove everything. v2 leaves the volumes of profiles that are not named."""
        self.compose("--profile", "monitoring", "--profile", "gpu", "down", "--volumes", *arguments)

    def healthy(self) -> bool:
        """Every container's health check passes and the API calls itself ready, now."""
        found = json.loads(docker("inspect", *self.containers()).stdout)
        if not found or {one["State"].get("Health", {}).get("Status") for one in found} != {"healthy"}:
            return False
        try:
            return self.client.get("/readyz", timeout=30).status_code == 200
        except httpx.TransportError:
            return False

    def wait_healthy(self, timeout: float = 300) -> None:
        """Until it is."""
        try:
            until(self.healthy, "healthy", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.compose('ps')}\n{self.compose('logs', '--tail', '40')}") from error

    def metric(self, name: str) -> float:
        """A metric without labels, as the API exposes it."""
        lines = self.client.get("/metrics").text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def containers(self, service: str | None = None, *, all_: bool = False) -> list[str]:
        """Ids of this project's containers."""
        filters = ["--filter", f"label=com.docker.compose.project={self.project}"]
        if service:
            filters += ["--filter", f"label=com.docker.compose.service={service}"]
        return docker("ps", "-q", "--no-trunc", *(["-a"] if all_ else []), *filters).stdout.split()

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine knows of a container."""
        found: list[dict[str, Any]] = json.loads(docker("inspect", container).stdout)
        return found[0]

    def execute(self, container: str, *command: str, check: bool = True) -> str:
        """Run something in a container."""
        return docker("exec", container, *command, check=check).stdout

    def score(self, items: Sequence[dict[str, Any]], **request: Any) -> dict[str, Any]:
        """Score a batch to its end."""
        return score(self.client, items, **request)

    def wait(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The finished batch."""
        return wait(self.client, batch)


def score(client: httpx.Client, items: Sequence[dict[str, Any]], **request: Any) -> dict[str, Any]:
    """Score a batch to its end, however long and whatever happens to the connection meanwhile."""
    answer = client.post("/v1/rewards", json={"items": list(items), **request})
    assert answer.status_code in {200, 202}, answer.text
    return wait(client, answer.json())


def wait(client: httpx.Client, batch: dict[str, Any], timeout: float = 600) -> dict[str, Any]:
    """The finished batch; while the stack is being hurt, asking again is what a client does."""
    deadline = time.monotonic() + timeout
    while batch["status"] == "running":
        assert time.monotonic() < deadline, f"{batch['id']}: {batch['counts']}"
        try:
            answer = client.get(f"/v1/rewards/{batch['id']}", params={"wait": 5})
        except httpx.TransportError:
            time.sleep(0.5)
            continue
        if answer.status_code >= 500:
            time.sleep(0.5)
            continue
        assert answer.status_code in {200, 202}, answer.text
        batch = answer.json()
    return batch


def record(**figures: Any) -> None:
    """Keep a measured figure for docs/operations.md: .cache/compose/figures.json."""
    path = CACHE / "figures.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**known, **figures}, indent=1), encoding="utf-8")


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """A running Docker engine with the images that a registry would otherwise give."""
    if os.geteuid() != 0:
        pytest.skip("starting an engine and making a base image needs root")
    script = Path(__file__).parent / "engine.sh"
    with Path(tempfile.gettempdir(), "chartreward-compose.lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)  # the engine is the machine's: runs of other clones come one after the other
        try:
            started = time.monotonic()
            subprocess.run([script, "start"], check=True, timeout=1800)
            record(engine_s=round(time.monotonic() - started))
            yield
        finally:
            subprocess.run([script, "stop"], check=True, timeout=60)


@pytest.fixture(scope="session")
def stacks(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, ComposeStack]]:
    """The project under both generations of Compose, images built by v2."""
    made: dict[int, ComposeStack] = {}
    for generation in (1, 2):
        name = f"{PROJECT}-{generation}"
        made[generation] = ComposeStack(tmp_path_factory.mktemp(name), generation, name)

    def down() -> None:
        for one in made.values():
            one.down("--remove-orphans", "--timeout", "5")

    try:
        down()  # what an interrupted run may have left
        started = time.monotonic()
        made[2].compose("build", timeout=1800)
        record(build_s=round(time.monotonic() - started))
        yield made
    finally:
        for one in made.values():
            one.client.close()
        down()


@pytest.fixture(scope="session")
def compose_stack(stacks: dict[int, ComposeStack]) -> ComposeStack:
    """The project as people run it, with Compose v2: up and healthy."""
    stack = stacks[2]
    record(up_to_ready_s=round(stack.up(), 1))
    return stack

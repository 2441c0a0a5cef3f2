"""What a container may do and reach: asked of the engine, and tried from inside."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.compose.conftest import ComposeStack, docker

pytestmark = pytest.mark.compose
SERVICES = ("redis", "api", "worker")


@pytest.fixture(params=SERVICES)
def container(request: pytest.FixtureRequest, compose_stack: ComposeStack) -> str:
    return compose_stack.containers(request.param)[0]


@pytest.fixture(scope="module")
def declared(compose_stack: ComposeStack) -> dict[str, Any]:
    """docker-compose.yml as Compose reads it, every profile included."""
    text = compose_stack.compose("--profile", "monitoring", "--profile", "gpu", "config", "--format", "json")
    whole: dict[str, Any] = json.loads(text)
    return whole


def test_every_service_is_declared_confined(declared: dict[str, Any]) -> None:
    """Those too that no test here starts (grafana, worker-gpu)."""
    assert set(declared["services"]) == {"redis", "api", "worker", "worker-gpu", "prometheus", "grafana"}
    for name, service in declared["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["init"] is True, name
        assert 0 < int(service["pids_limit"]) <= 256, name
        assert int(service["mem_limit"]) > 0, name
        assert float(service["cpus"]) > 0, name
        assert re.fullmatch(r"[1-9]\d*:\d+", service["user"]), name
        assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & set(service), name
    published = {name: service["ports"] for name, service in declared["services"].items() if "ports" in service}
    assert set(published) == {"api", "grafana"}
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}
    assert {name for name, network in declared["networks"].items() if not network.get("internal")} == {"edge"}


def test_the_engine_confines_every_container(container: str, compose_stack: ComposeStack, declared: Any) -> None:
    facts = compose_stack.inspect(container)
    host: dict[str, Any] = facts["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["Privileged"] is False
    assert host["SecurityOpt"] == ["no-new-privileges:true"]  # and nothing like seccomp=unconfined
    assert host["Init"] is True
    service = declared["services"][facts["Config"]["Labels"]["com.docker.compose.service"]]
    assert host["PidsLimit"] == int(service["pids_limit"])
    assert host["Memory"] == host["MemorySwap"] == int(service["mem_limit"])
    assert host["NanoCpus"] == round(float(service["cpus"]) * 1e9)
    assert not host["Devices"]
    assert not host["DeviceRequests"]
    assert {host["PidMode"], host["UTSMode"], host["UsernsMode"]} == {""}
    assert host["IpcMode"] in {"private", ""}
    assert host["NetworkMode"] not in {"host", "default"}
    assert [limit for limit in host["Ulimits"] if limit["Name"] == "core"] == [{"Name": "core", "Hard": 0, "Soft": 0}]
    assert host["LogConfig"]["Config"] == {"max-file": "3", "max-size": "10m"}
    assert facts["Config"]["User"] == service["user"]
    options = host["Tmpfs"]["/tmp"].split(",")
    assert {"noexec", "nosuid", "nodev"} <= set(options)
    assert any(option.startswith("size=") for option in options)
    assert any(option.startswith("nr_inodes=") for option in options)
    assert facts["Config"]["Healthcheck"]["Test"]


def test_the_kernel_agrees(container: str, compose_stack: ComposeStack) -> None:
    status = dict(
        line.split(":\t", 1)
        for line in compose_stack.execute(container, "cat", "/proc/self/status").splitlines()
        if ":\t" in line
    )
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    for folder in ("/", "/etc", "/opt", "/usr/bin", "/var/tmp"):
        tried = docker("exec", container, "sh", "-c", f"echo x > {folder}/probe", check=False)
        assert tried.returncode != 0, folder
    found = compose_stack.execute(container, "sh", "-c", "ls /var/run/docker.sock /run/docker.sock 2>/dev/null; true")
    assert found == ""


def test_mounts_are_what_each_needs(compose_stack: ComposeStack) -> None:
    mounts = {
        service: {
            (mount["Type"], mount["Destination"], mount["RW"])
            for mount in compose_stack.inspect(compose_stack.containers(service)[0])["Mounts"]
        }
        for service in SERVICES
    }
    assert mounts == {
        "redis": {
            ("volume", "/data", True),
            ("bind", "/etc/redis.conf", False),
            ("bind", "/run/secrets/redis_password", False),
        },
        "api": {
            ("bind", "/run/secrets/chartreward_redis_password", False),
            ("bind", "/run/secrets/chartreward_api_keys", False),
        },
        "worker": {("bind", "/run/secrets/chartreward_redis_password", False)},
    }


def test_secrets_stay_in_their_files(container: str, compose_stack: ComposeStack) -> None:
    password = (compose_stack.secrets / "redis_password").read_text(encoding="ascii").strip()
    assert len(password) >= 32
    assert password not in json.dumps(compose_stack.inspect(container))
    shown = compose_stack.execute(
        container, "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    )
    assert "init" in shown
    assert password not in shown
    assert password not in docker("logs", container).stdout


def test_only_the_api_is_published_and_on_loopback(compose_stack: ComposeStack) -> None:
    ports = {
        service: compose_stack.inspect(compose_stack.containers(service)[0])["NetworkSettings"]["Ports"]
        for service in SERVICES
    }
    published = {service: {k: v for k, v in found.items() if v} for service, found in ports.items()}
    assert published == {
        "redis": {},
        "api": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(compose_stack.port)}]},
        "worker": {},
    }
    assert httpx.get(f"{compose_stack.url}/v1/workers", trust_env=False).status_code == 401
    assert compose_stack.client.get("/v1/workers").status_code == 200


def test_redis_wants_its_password_and_refuses_what_would_hand_it_over(compose_stack: ComposeStack) -> None:
    redis = compose_stack.containers("redis")[0]
    assert "NOAUTH" in compose_stack.execute(redis, "redis-cli", "ping")
    with_password = 'REDISCLI_AUTH="$(cat /run/secrets/redis_password)" redis-cli'
    assert compose_stack.execute(redis, "sh", "-c", f"{with_password} ping").strip() == "PONG"
    for command in ("CONFIG GET dir", "REPLICAOF 192.0.2.1 1", "SHUTDOWN", "ACL LIST", "FLUSHALL", "DEBUG JMAP"):
        answer = compose_stack.execute(redis, "sh", "-c", f"{with_password} {command}")
        assert answer.startswith("ERR"), (command, answer)
    loaded = compose_stack.execute(redis, "sh", "-c", f"{with_password} module load /tmp/x.so")
    assert "MODULE command not allowed" in loaded or loaded.startswith("ERR")


# --- what a worker reaches ----------------------------------------------------------------------

PROBE = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reach(host, port):
    try:
        socket.create_connection((host, port), timeout=5).close()
        return "reached"
    except ConnectionRefusedError:
        return "refused"  # somebody is there
    except OSError as error:
        return str(error)
def resolve(name):
    try:
        return socket.getaddrinfo(name, 80)[0][4][0]
    except OSError:
        return None
asked = json.loads(sys.argv[1])
with ThreadPoolExecutor(32) as pool:
    reached = pool.map(lambda pair: reach(*pair), asked["reach"])
    resolved = pool.map(resolve, asked["resolve"])
    print(json.dumps({
        "reach": {f"{host}:{port}": how for (host, port), how in zip(asked["reach"], reached)},
        "resolve": dict(zip(asked["resolve"], resolved)),
    }))
"""


@pytest.fixture
def listener() -> Iterator[int]:
    """A service of this machine that listens on every address."""

    class Silent(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            return

    with socketserver.ThreadingTCPServer(("0.0.0.0", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


def _addresses_of_this_machine() -> set[str]:
    """Those of its real interface and of every bridge that the engine made."""
    found = {"172.17.0.1"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        found.add(probe.getsockname()[0])
    for name in docker("network", "ls", "-q").stdout.split():
        (network,) = json.loads(docker("network", "inspect", name).stdout)
        found |= {config["Gateway"] for config in network["IPAM"]["Config"] or () if "Gateway" in config}
    return found


def test_a_worker_reaches_redis_and_nothing_else(compose_stack: ComposeStack, listener: int) -> None:
    worker = compose_stack.containers("worker")[0]
    networks = compose_stack.inspect(worker)["NetworkSettings"]["Networks"]
    assert list(networks) == [f"{compose_stack.project}_queue"]
    (queue,) = json.loads(docker("network", "inspect", f"{compose_stack.project}_queue").stdout)
    assert queue["Internal"] is True

    api = compose_stack.inspect(compose_stack.containers("api")[0])["NetworkSettings"]["Networks"]
    machine = _addresses_of_this_machine()
    outside = [("192.0.2.1", 443), ("198.51.100.1", 53), ("169.254.169.254", 80)]  # nobody's, and the clouds' metadata
    asked = {
        "reach": [
            ("redis", 6379),
            *[(address, listener) for address in sorted(machine)],
            *[(network["IPAddress"], 8000) for network in api.values()],
            *outside,
        ],
        "resolve": ["redis", "api", "example.com", "deb.debian.org"],
    }
    said = json.loads(compose_stack.execute(worker, "python", "-c", PROBE, json.dumps(asked)))
    reached = {address for address, how in said["reach"].items() if how in {"reached", "refused"}}
    assert reached == {"redis:6379"}, said
    assert said["resolve"]["redis"]
    assert {name for name, address in said["resolve"].items() if address} == {"redis"}, said
    # The probe can tell: from the API, which has a way out, this machine's listener is in reach.
    asked = {"reach": [(address, listener) for address in sorted(machine)], "resolve": []}
    said = json.loads(
        compose_stack.execute(compose_stack.containers("api")[0], "python", "-c", PROBE, json.dumps(asked))
    )
    assert "reached" in said["reach"].values(), said


def test_redis_and_workers_have_no_way_out_and_meet_the_api_only_in_redis(compose_stack: ComposeStack) -> None:
    def networks(service: str) -> set[str]:
        found = compose_stack.inspect(compose_stack.containers(service)[0])["NetworkSettings"]["Networks"]
        return {name.rpartition("_")[2] for name in found}

    assert networks("redis") == {"queue", "front"}
    assert networks("worker") & networks("api") == set()
    redis = compose_stack.containers("redis")[0]
    tried = docker("exec", redis, "timeout", "5", "redis-cli", "-h", "192.0.2.1", "-p", "443", "ping", check=False)
    assert tried.returncode != 0

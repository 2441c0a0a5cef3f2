"""Writes `.env.example` and `docs/configuration.md` from the settings' definitions: `python docker/configuration.py`.

The variables of docker-compose.yml itself (ports, sizes, images) are listed here, in COMPOSE; a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import PydanticUndefined, to_jsonable_python
from pydantic_settings import BaseSettings

from service.settings import ServiceSettings
from worker.settings import WorkerSettings

ROOT = Path(__file__).resolve().parents[1]
FIXED = {
    "redis_url",
    "redis_password",
    "host",
    "port",
    "workers",
    "runtimes",
    "api_keys",
}  # docker-compose.yml sets them

COMPOSE = {
    "The API": [
        ("API_BIND", "127.0.0.1", "address of this machine to publish the API on; put TLS in front of any other"),
        ("API_PORT", "8000", "its port"),
        ("API_MEMORY", "2g", "memory limit"),
        ("API_CPUS", "2.0", "CPU limit"),
    ],
    "A worker container (docker compose up --scale worker=N: one a core)": [
        ("WORKER_PROCESSES", "1", "worker processes in a container; raise CPUs and memory with it"),
        ("WORKER_CPUS", "1.0", "CPU limit"),
        ("WORKER_MEMORY", "3g", "memory limit: about 1 GB, plus the largest limits.memory_mb, plus WORKER_TMP"),
        ("WORKER_TMP", "512m", "size of /tmp, in memory: what charts write"),
        ("WORKER_INODES", "65536", "files in /tmp"),
        ("WORKER_GPU_MEMORY", "8g", "memory limit of worker-gpu (--profile gpu)"),
    ],
    "Redis": [
        ("REDIS_MAXMEMORY", "1gb", "what Redis may hold; beyond it new work is refused, nothing is evicted"),
        ("REDIS_MEMORY", "2g", "memory limit of its container: twice that, for rewriting the log"),
        ("REDIS_IMAGE", "redis:7-alpine", "or valkey/valkey:8-alpine"),
        ("REDIS_BIND", "", "docker/compose.fleet.yml: private address to offer Redis to worker machines on"),
        ("REDIS_URL", "", "docker/compose.remote.yml: the Redis that a worker machine works for"),
    ],
    "Monitoring (--profile monitoring)": [
        (
            "GRAFANA_BIND",
            "127.0.0.1",
            "address to publish Grafana on (admin; secrets/grafana_password)",
        ),
        ("GRAFANA_PORT", "3000", "its port"),
        ("PROMETHEUS_IMAGE", "prom/prometheus:v2.53.3", ""),
        ("GRAFANA_IMAGE", "grafana/grafana:11.3.0", ""),
    ],
    "Builds": [
        ("BASE_IMAGE", "python:3.11-slim-bookworm", "any image with python3 (3.11 or 3.12), venv and ca-certificates"),
        ("TORCH_INDEX", "https://download.pytorch.org/whl/cpu", "where the worker's torch comes from"),
        ("TORCH_CUDA_INDEX", "https://download.pytorch.org/whl/cu130", "where the CUDA worker's comes from"),
        ("BUILD_NETWORK", "default", "none: a build that reaches for the network fails (wheelhouse/ must be filled)"),
        ("RESNET18", "", "a ResNet-18 checkpoint in docker/weights/ to put into the worker image"),
        ("RESNET18_SHA256", "f37072fd", "what its sha256 begins with"),
        ("CHARTREWARD_VERSION", "0.1.0", "tag of the images"),
        ("REVISION", "unknown", "commit, for the images' labels"),
    ],
}


class Setting(NamedTuple):
    """One setting: its field, default as the environment would hold it, meaning, and who reads it."""

    field: str
    default: str
    text: str
    readers: str

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"CHARTREWARD_{self.field.upper()}"


def settings() -> list[Setting]:
    """Every setting of service and worker, in the order they are declared; shared ones once."""
    found: dict[str, Setting] = {}
    for readers, model in (("service", ServiceSettings), ("worker", WorkerSettings)):
        for field, default, text in _fields(model):
            known = found.get(field)
            found[field] = Setting(field, default, text, f"{known.readers}, {readers}" if known else readers)
    return list(found.values())


def _fields(model: type[BaseSettings]) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        yield name, _written(field.default), field.description or ""


def _written(default: Any) -> str:
    if default is None or default is PydanticUndefined:
        return ""
    return default if isinstance(default, str) else json.dumps(to_jsonable_python(default))


def env_example() -> str:
    """The text of `.env.example`."""
    lines = [
        "# Settings of docker-compose.yml and of the programs in it; docker/setup.sh copies this file to .env.",
        "# Lines that begin with # show the default. Written by docker/configuration.py.",
    ]
    for title, entries in COMPOSE.items():
        lines += ["", f"# --- {title}"]
        for variable, default, text in entries:
            lines += [f"# {text}"] if text else []
            lines.append(f"#{variable}={default}")
    for readers in ("service", "service, worker", "worker"):
        lines += ["", f"# --- read by: {readers}"]
        for setting in settings():
            if setting.readers == readers and setting.field not in FIXED:
                lines += [f"# {setting.text}"] if setting.text else []
                lines.append(f"#{setting.variable}={setting.default}")
    return "\n".join(lines) + "\n"


def configuration_page() -> str:
    """The text of `docs/configuration.md`."""
    head = """# Configuration

Every setting is an environment variable, or a file of the same name in lower case under `/run/secrets/` (say
`/run/secrets/chartreward_redis_password`); the variable wins. An empty variable counts as unset. Mappings are JSON:
`CHARTREWARD_API_KEYS='{"alice": "<sha256 of the key>"}'`. A value that cannot be right stops the program at once and is
named in the message.

This page is written by `python docker/configuration.py` from `service/settings.py` and `worker/settings.py`.

## Programs

| Variable | Default | Read by | Meaning |
|---|---|---|---|
"""
    rows = [f"| `{s.variable}` | {_code(s.default)} | {s.readers} | {_cell(s.text)} |" for s in settings()]
    parts = ["## docker-compose.yml\n\nThese go into `.env`, beside any of the above.\n"]
    for title, entries in COMPOSE.items():
        table = [f"| `{variable}` | {_code(default)} | {_cell(text)} |" for variable, default, text in entries]
        parts.append("\n".join([f"**{title}**\n", "| Variable | Default | Meaning |", "|---|---|---|", *table, ""]))
    return head + "\n".join(rows) + "\n\n" + "\n".join(parts)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    (ROOT / ".env.example").write_text(env_example(), encoding="utf-8")
    (ROOT / "docs" / "configuration.md").write_text(configuration_page(), encoding="utf-8")

"""A service whose rewards are the numbers in the code, so that the adapters' arithmetic can be checked exactly."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "client"))
sys.path.insert(0, str(Path(__file__).parent))  # importmode=importlib puts no test folder on the path

from misbehaving import Misbehaving, Server


@pytest.fixture
def service() -> Misbehaving:
    return Misbehaving()


@pytest.fixture
def server(service: Misbehaving, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(service.app())
    server.start()
    monkeypatch.setenv("CHARTREWARD_URL", server.url)
    yield server
    server.stop()

"""A misbehaving service and a breaking proxy in front of it, over real sockets."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importmode=importlib puts no test folder on the path

from misbehaving import BreakingProxy, Misbehaving, Server


@pytest.fixture
def service() -> Misbehaving:
    return Misbehaving()


@pytest.fixture
def server(service: Misbehaving) -> Iterator[Server]:
    server = Server(service.app())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def proxy(server: Server) -> Iterator[BreakingProxy]:
    proxy = BreakingProxy(server.port)
    yield proxy
    proxy.stop()

"""Fixtures that every area shares."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from chartreward.embedded import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A real stack with two workers: Redis, API, jails. `stack.url` is where it answers. One a test session."""
    with Stack(workers=2, env={"CHARTREWARD_LOG_LEVEL": "warning"}) as running:
        yield running


@pytest.fixture(scope="session")
def base_url(stack: Stack) -> str:
    """Where the API of the shared stack answers."""
    return stack.url


@pytest.fixture
def mark() -> str:
    """Makes code unique to a test, so that no cache answers it."""
    return uuid.uuid4().hex

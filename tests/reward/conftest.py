"""One engine with a real jail for the tests of rewards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from worker.pipeline import Engine
from worker.settings import WorkerSettings


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    settings = WorkerSettings()
    if "mpl38" not in settings.runtimes:
        pytest.skip("the mpl38 runtime is not set up: make setup")
    made = Engine(settings.model_copy(update={"runtimes": {"mpl38": settings.runtimes["mpl38"]}}))
    made.start()
    yield made
    made.close()

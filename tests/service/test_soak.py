"""Two minutes of the soak; the half hour is `python -m tests.service.soak`."""

from __future__ import annotations

import pytest

from tests.service.soak import soak


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_two_minutes_of_full_load_leak_nothing() -> None:
    """Allocators are not level after a minute: memory gets slack here, and none in the half hour."""
    assert soak(60, 60, percent=15, slack_mb=60) == []

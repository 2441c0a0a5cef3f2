"""The client and a real stack whose API is killed under it."""

import os
import signal

import pytest

from chartreward.client import RewardClient
from chartreward.embedded import Stack

REFERENCE = "import matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [1, 2])\nplt.title('restart')\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_api_killed_in_the_middle_of_a_stream() -> None:
    """SIGKILL, twice, with batches still to be posted. Each item is answered once, with the reward of its own code."""
    crashes = {number for number in range(120) if number % 3 == 0}
    items = [
        {"id": str(n), "code": f"{REFERENCE}# {n}\n" + ("1 / 0\n" if n in crashes else ""), "reference": REFERENCE}
        for n in range(120)
    ]
    seen: list[int] = []
    with (
        Stack(workers=2, env={"CHARTREWARD_LOG_LEVEL": "warning"}) as stack,
        RewardClient(stack.url, batch_size=10, concurrency=1) as client,
    ):
        for result in client.stream(items):
            seen.append(result.index)
            assert result.id == str(result.index)
            assert result.reward == (0.0 if result.index in crashes else 2.0)
            if len(seen) in (5, 60):
                os.kill(stack.processes["api"].pid, signal.SIGKILL)
                stack.processes["api"].wait()
                stack.tend()
    assert sorted(seen) == list(range(120))

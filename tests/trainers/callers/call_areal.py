"""AReaL: `AsyncRewardWrapper` sends the function to its pool of (forked) processes."""

import asyncio
import json
import sys
from pathlib import Path

from stand_ins import bare, stub

folder, given = sys.argv[1], json.loads(sys.argv[2])
bare("areal", Path(folder) / "areal")
stub("colorlog")

from areal.api.reward_api import AsyncRewardWrapper

from chartreward.client import RewardClient
from chartreward.trainers.areal import chart_reward


async def main():
    wrapped = AsyncRewardWrapper(chart_reward, timeout_seconds=600, max_workers=2, max_retries=0)
    calls = [wrapped("draw", text, [1], [2, 3], answer=given["label"], id=7) for text in given["texts"]]
    return await asyncio.gather(*calls, return_exceptions=True)


if __name__ == "__main__":
    with RewardClient() as client:  # a client in use before the fork must not disturb those after it
        client.wait_for_ready()
        rewards = asyncio.run(main())
    print(json.dumps([one if isinstance(one, float | int) else type(one).__name__ for one in rewards]))

"""OpenRLHF: `SingleTurnAgentExecutor._fetch_rewards_via_http`, one sample a POST, and `execute`'s reading of it."""

import asyncio
import json
import os
import sys
from itertools import cycle
from pathlib import Path

from stand_ins import bare, stub

folder, given = sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, folder)
for name in ("openrlhf", "openrlhf.utils"):
    bare(name, Path(folder).joinpath(*name.split(".")))
stub("transformers", "deepspeed", "ray", "vllm")

from openrlhf.utils.agent import SingleTurnAgentExecutor


async def main():
    executor = SingleTurnAgentExecutor.__new__(SingleTurnAgentExecutor)
    url = f"{os.environ['CHARTREWARD_URL']}/get_reward"
    executor.reward_endpoints = [url] * given.get("endpoints", 1)
    executor._reward_endpoint_cycle = cycle(executor.reward_endpoints)
    calls = [executor._fetch_rewards_via_http([text], ["draw"], [given["label"]]) for text in given["texts"]]
    return [answers[0] for answers in await asyncio.gather(*calls)]


print(json.dumps(asyncio.run(main())))

"""verifiers' NeMo Gym taskset, a client of `/seed_session` and `/verify` that does not bring Ray along."""

import asyncio
import json
import os
import sys
from types import SimpleNamespace

from stand_ins import stub

folder, given = sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, folder)
stub("openai", "anthropic", "prime_sandboxes", "tenacity", "tomli_w", "math_verify", "mcp")

from verifiers.v1.graph import MessageNode
from verifiers.v1.tasksets.nemo_gym.taskset import NeMoGymData, NeMoGymState, NeMoGymTask, NeMoGymTaskConfig
from verifiers.v1.trace import Trace
from verifiers.v1.types import AssistantMessage


class Rollout(SimpleNamespace):
    """A finished rollout of one branch, and Trace's own functions to record on it."""

    record_metric, record_reward = Trace.record_metric, Trace.record_reward


async def main():
    row = {
        "responses_create_params": {"input": [{"role": "user", "content": "draw"}]},
        "verifier_metadata": {"code": given["label"]},
    }
    config = NeMoGymTaskConfig(resources_url=os.environ["CHARTREWARD_URL"], request_timeout=600)
    scored = []
    for text in given["texts"]:
        node = MessageNode(message=AssistantMessage(content=text), sampled=True)
        branch = SimpleNamespace(nodes=[node])
        trace = Rollout(id="t", branches=[branch], state=NeMoGymState(), rewards={}, metrics={}, info={})
        task = NeMoGymTask(NeMoGymData(prompt="draw", row=row), config)
        await task.setup(trace, None)
        await task.score(trace)
        scored.append({"reward": trace.rewards["nemo_gym"].value, "metrics": trace.metrics})
    return scored


print(json.dumps(asyncio.run(main())))

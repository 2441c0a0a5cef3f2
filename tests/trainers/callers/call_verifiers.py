"""verifiers from 0.4: a task whose `@vf.reward` method calls `score_trace`; `Task.score` calls it."""

import asyncio
import json
import sys
from types import SimpleNamespace

from stand_ins import stub

folder, given = sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, folder)
stub("openai", "anthropic", "prime_sandboxes", "tenacity", "tomli_w", "math_verify")

from verifiers.v1.task import Task, TaskData
from verifiers.v1.trace import Reward, Trace
from verifiers.v1.utils.decorators import reward

from chartreward.trainers.verifiers import score_trace


class ChartData(TaskData):
    reference: str


class ChartTask(Task):
    @reward
    async def chart(self, trace) -> float:
        return await score_trace(trace, self.data.reference)


class Rollout(SimpleNamespace):
    """The three members of Trace that scoring touches, and Trace's own functions over them."""

    last_reply = Trace.last_reply
    record_metric, record_metrics, record_reward = Trace.record_metric, Trace.record_metrics, Trace.record_reward


async def main():
    scored = []
    for text in given["texts"]:
        task = ChartTask(ChartData(prompt="draw", reference=given["label"]))
        trace = Rollout(root_reply=text, rewards={}, metrics={}, info={})
        try:
            await task.score(trace)
        except Exception as error:
            scored.append({"error": f"{type(error).__name__}: {error}"})
            continue
        assert isinstance(trace.rewards["chart"], Reward)
        scored.append({"reward": trace.rewards["chart"].value, "metrics": trace.metrics})
    return scored


print(json.dumps(asyncio.run(main())))

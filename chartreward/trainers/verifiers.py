"""verifiers and prime-rl: a reward of a task (0.4 and later), or a function of a rubric (before).

    import verifiers.v1 as vf
    from chartreward.trainers.verifiers import score_trace

    class ChartTask(vf.Task[ChartData, vf.State]):
        @vf.reward
        async def chart(self, trace: vf.Trace) -> float:
            return await score_trace(trace, self.data.reference)

    # before 0.4
    rubric = vf.Rubric(funcs=[chart_reward])        # the reference is the dataset's `answer`

with `CHARTREWARD_URL=http://rewards:8000` in the environment. The signals are recorded as metrics of the
trace (`chart_<signal>`). A sample that the service could not score raises: from 0.4 that makes the rollout an error,
which is not trained on. An old rubric logs the exception and makes up a 0; there is no way around that but to watch
its log.
"""

from __future__ import annotations

from typing import Any

from chartreward.trainers.recipe import Recipe


async def score_trace(trace: Any, reference: Any, **given: Any) -> float:
    """Score the last reply of a `verifiers.v1.Trace` and record the signals on it.

    `given`: url, key, profile, runtime, on_failure, instead of the environment's.
    """
    recipe = Recipe.of(**given)
    result = await recipe.async_client().score_one((trace.last_reply, reference))
    reward = recipe.reward(result)
    trace.record_metrics({f"chart_{name}": value for name, value in recipe.metrics(result).items()})
    return reward


async def chart_reward(completion: Any, answer: Any, **_: Any) -> float:
    """A rubric function: score a completion (string or messages) against `answer`."""
    recipe = Recipe.of()
    return recipe.reward(await recipe.async_client().score_one((completion, answer)))

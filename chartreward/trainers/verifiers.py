"""verifiers and prime-rl: a reward of a task (0.4 and later), or the functions of a rubric (before).

    import verifiers.v1 as vf
    from chartreward.trainers.verifiers import score_trace

    class ChartTask(vf.Task[ChartData, vf.State]):
        @vf.reward
        async def chart(self, trace: vf.Trace) -> float:
            return await score_trace(trace, self.data.reference)

    # before 0.4, or with verifiers.legacy
    from chartreward.trainers.verifiers import rubric_functions

    rubric = vf.Rubric(*rubric_functions("http://rewards:8000"))     # the reference is the dataset's `answer`

with `CHARTREWARD_URL=http://rewards:8000` in the environment. The signals are metrics of the rollout
(`chart_<signal>`). A sample that the service could not score raises: from 0.4 that makes the rollout an error, which is
not trained on. An old rubric logs the exception and makes up a 0, so the function also puts it into `state["error"]`,
where verifiers keeps what went wrong with a rollout, and `chart_infra_failure` is 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chartreward.models import ItemResult, Status
from chartreward.trainers.recipe import Recipe


async def score_trace(trace: Any, reference: Any, **given: Any) -> float:
    """Score the last reply of a `verifiers.v1.Trace` and record the signals on it.

    `given`: url, key, profile, runtime, on_failure, instead of the environment's.
    """
    recipe = Recipe.of(**given)
    result = await recipe.async_client().score_one((trace.last_reply, reference))
    trace.record_metrics({f"chart_{name}": value for name, value in recipe.metrics(result).items()})
    return recipe.reward(result)


def rubric_functions(url: str | None = None, **given: Any) -> tuple[list[Callable[..., Any]], list[float]]:
    """Functions and weights of a rubric: `chart_reward`, and each signal as a metric of weight 0.

    `given`: key, profile, runtime, on_failure, as for `score_trace`.
    """
    recipe = Recipe.of(url, **given)

    async def chart_reward(completion: Any, answer: Any, state: Any) -> float:
        state["chartreward"] = {"infra_failure": 1.0}
        try:
            result = await recipe.async_client().score_one((completion, answer))
            state["chartreward"] = recipe.metrics(result)
            return recipe.reward(result)
        except Exception as error:
            state["error"] = error
            raise

    names = recipe.metrics(ItemResult(status=Status.WORKER_ERROR, reward=None, normalized=None))
    return [chart_reward, *map(_metric, names)], [1.0] + [0.0] * len(names)


def _metric(name: str) -> Callable[..., float]:
    def metric(state: Any) -> float:
        return float(state["chartreward"].get(name, 0.0))

    metric.__name__ = f"chart_{name}"
    return metric

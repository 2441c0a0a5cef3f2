"""TRL's GRPOTrainer (also RLOO): reward functions in this process, scored by the service.

    from chartreward.trainers.trl import chart_reward

    trainer = GRPOTrainer(
        model="Qwen/Qwen2.5-VL-3B-Instruct",
        reward_funcs=chart_reward("http://rewards:8000", label="reference"),
        train_dataset=dataset,               # columns: prompt, image, reference (an id, a script, or a picture)
        args=GRPOConfig(...),
    )

`async_chart_reward` is the same as a coroutine: TRL runs it beside other asynchronous reward functions. Completions may
be strings or messages. The profile's signals are logged as `chart/<signal>` next to TRL's own metrics.

A sample that the service could not score gets `None`: TRL >= 1.6 leaves it out of its group's baseline and gives it
advantage 0 (older versions count it as 0: pass `on_failure="raise"` there). The client retries for up to 15 minutes,
less than the 30 after which NCCL gives up on a waiting rank.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from chartreward.models import ItemResult
from chartreward.trainers.recipe import OnFailure, Recipe

Rewards = list[float | None]


def chart_reward(
    url: str | None = None,
    *,
    label: str = "reference",
    name: str = "chart_reward",
    key: str | None = None,
    profile: str | None = None,
    runtime: str | None = None,
    on_failure: OnFailure | None = None,
) -> Callable[..., Rewards]:
    """Return a reward function. `label`: the dataset column with the references. `name`: as TRL logs it.

    on_failure: `None` masks samples that the service could not score; see `chartreward.trainers` for the others.
    """
    recipe = Recipe.of(url, key, profile, runtime, on_failure)

    def reward(prompts: Any, completions: list[Any], log_metric: Any = None, **columns: Any) -> Rewards:
        results = recipe.client().score(_items(completions, columns, label))
        return _rewards(recipe, results, on_failure, log_metric)

    reward.__name__ = name
    return reward


def async_chart_reward(
    url: str | None = None,
    *,
    label: str = "reference",
    name: str = "chart_reward",
    key: str | None = None,
    profile: str | None = None,
    runtime: str | None = None,
    on_failure: OnFailure | None = None,
) -> Callable[..., Awaitable[Rewards]]:
    """`chart_reward` as a coroutine function."""
    recipe = Recipe.of(url, key, profile, runtime, on_failure)

    async def reward(prompts: Any, completions: list[Any], log_metric: Any = None, **columns: Any) -> Rewards:
        results = await recipe.async_client().score(_items(completions, columns, label))
        return _rewards(recipe, results, on_failure, log_metric)

    reward.__name__ = name
    return reward


def _items(completions: list[Any], columns: dict[str, Any], label: str) -> list[tuple[Any, Any]]:
    if label not in columns:
        raise KeyError(f"the dataset has no column {label!r} with references (columns: {', '.join(sorted(columns))})")
    return list(zip(completions, columns[label], strict=True))


def _rewards(recipe: Recipe, results: list[ItemResult], on_failure: OnFailure | None, log_metric: Any) -> Rewards:
    if log_metric is not None:
        for name, value in recipe.average(results).items():
            log_metric(f"chart/{name}", value)
    return [result.reward if on_failure is None else recipe.reward(result) for result in results]

"""Routes of trainers that are configured with a bare URL: OpenRLHF, slime and miles (NeMo-Gym: `nemo_gym`).

They hold a request below the client's own clock instead of shedding it; a retry joins the work under way.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from chartreward.completions import last_assistant_turn
from chartreward.models import MAX_ITEMS
from service.compat import ProfileName, json_response, numbers, read_label, recipe_of, score
from service.openapi import problems, request_body
from service.problems import invalid
from service.state import owner_of, read_model, state_of

router = APIRouter(tags=["trainers"])

LONGEST = 4 * MAX_ITEMS  # old OpenRLHF sends a whole rollout at once


class GetReward(BaseModel):
    """Body of OpenRLHF's remote reward. Lists may be empty."""

    model_config = ConfigDict(extra="ignore")

    query: list[str] = Field(max_length=LONGEST, description="prompt and response, special tokens included")
    prompts: list[Any] | None = None
    labels: list[JsonValue] | None = Field(default=None, description="the reference of each query; see the docs")


class Rm(BaseModel):
    """Body of slime's and miles' `remote_rm`."""

    model_config = ConfigDict(extra="ignore")

    prompt: JsonValue = None
    response: str
    label: JsonValue = None


class Rewards(BaseModel):
    """Answer to OpenRLHF: as many numbers as queries."""

    rewards: list[float]
    scores: list[float] = Field(description="the rewards mapped to [0, 1]")
    extra_logs: dict[str, list[float]]


@router.post(
    "/get_reward",
    response_model=Rewards,
    responses=problems(400, 413, 415, 422, 429, 503),
    openapi_extra=request_body(GetReward),
)
async def get_reward(request: Request, profile: ProfileName = None) -> Any:
    """OpenRLHF (and lmm-r1): rewards of N queries, in order."""
    state = state_of(request)
    body = await read_model(request, GetReward)
    if not body.query:
        return json_response({"rewards": [], "scores": [], "extra_logs": {}})
    given = body.labels or []
    if len(given) != len(body.query):
        message = f"{len(given)} labels for {len(body.query)} queries"
        raise invalid(f"labels: {message}", (["labels"], message))
    labels = [read_label(label, ["labels", index]) for index, label in enumerate(given)]
    pairs = [(last_assistant_turn(query), label) for query, label in zip(body.query, labels, strict=True)]
    rows = await score(state, owner_of(request), pairs, profile, state.settings.get_reward_deadline_s)
    fallback = state.settings.get_reward_infrastructure
    recipe = recipe_of(state, profile)
    answers = [numbers(row, recipe, fallback) for row in rows]
    logs = {name: [answer[name] for answer in answers] for name in answers[0] if name not in ("reward", "normalized")}
    rewards = [answer["reward"] for answer in answers]
    return json_response(
        {"rewards": rewards, "scores": [answer["normalized"] for answer in answers], "extra_logs": logs}
    )


@router.post(
    "/rm", response_model=float, responses=problems(400, 413, 415, 422, 429, 503), openapi_extra=request_body(Rm)
)
async def rm(
    request: Request,
    profile: ProfileName = None,
    reward_key: Annotated[
        str | None, Query(max_length=80, description="answer an object with the reward under this key (`--reward-key`)")
    ] = None,
) -> Any:
    """slime and miles: the reward of one response, as a bare number."""
    state = state_of(request)
    body = await read_model(request, Rm)
    label = read_label(body.label, ["label"])
    rows = await score(state, owner_of(request), [(body.response, label)], profile, state.settings.rm_deadline_s)
    recipe = recipe_of(state, profile)
    answer = numbers(rows[0], recipe, state.settings.rm_infrastructure)
    return json_response(answer["reward"] if reward_key is None else {**answer, reward_key: answer["reward"]})

"""The routes of a NeMo-Gym resources server (NeMo-Gym, and through it NeMo-RL, prime-rl and verifiers).

Scoring has no session, so seeding and closing one keep nothing; `/verify` may be repeated at will (`stateless`).
"""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from chartreward.completions import completion_text
from service.compat import ProfileName, failure_of, numbers, read_label, recipe_of, score
from service.openapi import problems, request_body
from service.problems import ProblemError, invalid
from service.state import owner_of, read_model, state_of

router = APIRouter(tags=["trainers"])

TASK = "_ng_task_index"
ROLLOUT = "_ng_rollout_index"


class SeedSession(BaseModel):
    """Any object; an environment server's holds `resources_session_id`, which is given back."""

    model_config = ConfigDict(extra="allow")

    resources_session_id: str | None = None


class CloseSession(BaseModel):
    """What an environment server closes; unknown sessions are closed already."""

    model_config = ConfigDict(extra="allow")

    resources_session_id: str | None = None


class AggregateRequest(BaseModel):
    """Verified rollouts to sum up: `reward` and other numbers, `_ng_task_index`."""

    model_config = ConfigDict(extra="ignore")

    verify_responses: list[dict[str, JsonValue]]


class Aggregate(BaseModel):
    """Statistics under keys like `mean/reward`; rollouts with `mask_sample` count in `mean/mask_sample` alone."""

    group_level_metrics: list[dict[str, Any]] = Field(description="one entry a task")
    agent_metrics: dict[str, float] = Field(description="over all rollouts")
    key_metrics: dict[str, float] = Field(description="the means of `agent_metrics`")


class Verify(BaseModel):
    """Body of NeMo-Gym's `/verify`; every other field of the row is given back as it came."""

    model_config = ConfigDict(extra="allow")

    responses_create_params: dict[str, JsonValue]
    response: dict[str, JsonValue]
    verifier_metadata: dict[str, JsonValue] | None = None


class Verified(BaseModel):
    """Answer to NeMo-Gym: the body again, and the reward."""

    model_config = ConfigDict(extra="allow")

    reward: float
    mask_sample: bool = Field(description="true: we failed, leave the sample out")
    failure_reason: str | None


@router.post("/seed_session", responses=problems(400, 413, 415, 422), openapi_extra=request_body(SeedSession))
async def seed_session(request: Request) -> dict[str, str | None]:
    """NeMo-Gym: nothing to prepare; scoring has no session."""
    body = await read_model(request, SeedSession)
    if body.resources_session_id is None:
        return {}
    return {"resources_session_id": body.resources_session_id, "resources_tools": None, "sandbox_access": None}


@router.post("/close_session", responses=problems(400, 413, 415, 422), openapi_extra=request_body(CloseSession))
async def close_session(request: Request) -> dict[str, str | None]:
    """NeMo-Gym: nothing to close."""
    body = await read_model(request, CloseSession)
    return {"resources_session_id": body.resources_session_id} if body.resources_session_id is not None else {}


@router.get("/reverify_mode", response_model=Literal["stateless"], responses=problems())
async def reverify_mode() -> str:
    """NeMo-Gym: rollouts may be verified again, from their rows alone."""
    return "stateless"


@router.post(
    "/aggregate_metrics",
    response_model=Aggregate,
    responses=problems(400, 413, 415, 422),
    openapi_extra=request_body(AggregateRequest),
)
async def aggregate_metrics(request: Request) -> Any:
    """NeMo-Gym: mean, max, min, median and standard deviation of what `/verify` answered, a task and over all."""
    body = await read_model(request, AggregateRequest)
    return await anyio.to_thread.run_sync(_aggregate, body.verify_responses)


@router.post(
    "/verify", response_model=Verified, responses=problems(400, 413, 415, 422, 429), openapi_extra=request_body(Verify)
)
async def verify(request: Request, profile: ProfileName = None) -> Any:
    """NeMo-Gym (NeMo-RL, prime-rl, verifiers): the body again with its reward; our failures are masked, not scored."""
    state = state_of(request)
    body = await read_model(request, Verify)
    label = read_label(_label_of(body), ["verifier_metadata"])
    recipe = recipe_of(state, profile or label.hints.profile)
    try:
        pair = (_output_text(body.response), label)
        rows = await score(state, owner_of(request), [pair], profile, state.settings.verify_deadline_s)
        reason = failure_of(rows[0])
        answer = numbers(rows[0], recipe, 0.0)
    except ProblemError as problem:
        if problem.status < 500:
            raise
        reason, answer = problem.detail, numbers({}, recipe, 0.0)
    masked = reason is not None
    echoed = body.model_dump(mode="json")
    config = echoed.get("instance_config")
    extra = {
        "mask_sample": masked,
        "failure_reason": reason,
        "_ng_failure_class": "infrastructure" if masked else None,
        "instance_config": {**(config if isinstance(config, dict) else {}), "mask_sample": masked},
    }
    try:  # not orjson: integers of any size come back as they came
        text = json.dumps({**echoed, **answer, **extra}, allow_nan=False, ensure_ascii=False)
    except ValueError:
        raise invalid("body: NaN and infinities are no JSON", ([], "NaN and infinities are no JSON")) from None
    return Response(text.encode(), media_type="application/json")


def _aggregate(rows: list[dict[str, JsonValue]]) -> dict[str, Any]:
    tasks: defaultdict[float, list[dict[str, JsonValue]]] = defaultdict(list)
    for row in rows:
        number = _finite(row.get(TASK))
        tasks[0 if number is None else number].append(row)
    overall = _statistics(rows)
    return {
        "group_level_metrics": [{**_statistics(tasks[task]), TASK: int(task)} for task in sorted(tasks)],
        "agent_metrics": overall,
        "key_metrics": {name: value for name, value in overall.items() if name.startswith("mean/")},
    }


def _statistics(rows: Iterable[Mapping[str, JsonValue]]) -> dict[str, float]:
    """`mean/x`, `max/x`, `min/x`, `median/x`, `std/x` (0 for one value) of every number x of the rows."""
    columns: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in _numbers_of(row):
            columns[name].append(value)
    found: dict[str, float] = {}
    for name, values in columns.items():
        found[f"mean/{name}"] = statistics.fmean(values)
        found[f"max/{name}"], found[f"min/{name}"] = max(values), min(values)
        found[f"median/{name}"] = statistics.median(values)
        found[f"std/{name}"] = statistics.stdev(values) if len(values) > 1 else 0.0
    return found


def _numbers_of(row: Mapping[str, JsonValue]) -> Iterator[tuple[str, float]]:
    response = row.get("response")
    usage = response.get("usage") if isinstance(response, dict) else None
    masked = row.get("mask_sample") is True
    for name, value in {**row, **(usage if isinstance(usage, dict) else {})}.items():
        number = _finite(value)
        if number is not None and name not in (TASK, ROLLOUT) and (not masked or name == "mask_sample"):
            yield name, number


def _finite(value: JsonValue) -> float | None:
    """A number (or truth value) whose statistics stay finite; None for anything else."""
    if not isinstance(value, bool | int | float) or not -1e150 < value < 1e150:
        return None
    return float(value) if math.isfinite(value) else None


def _label_of(body: Verify) -> JsonValue:
    """The reference: in `verifier_metadata`, or in a field of the row named label, ground_truth or solution."""
    metadata = body.verifier_metadata
    if isinstance(metadata, dict):
        for name in ("label", "ground_truth", "solution"):
            if name in metadata:
                return metadata[name]
    if metadata:
        return metadata
    extra: Mapping[str, Any] = body.model_extra or {}
    return next((extra[name] for name in ("label", "ground_truth", "solution") if name in extra), None)


def _output_text(response: Mapping[str, Any]) -> str:
    """The text of the last message of a Responses object."""
    output = response.get("output")
    messages = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    spoken = [item for item in messages if item.get("content") and item.get("role", "assistant") == "assistant"]
    return completion_text(spoken[-1:]) if spoken else ""

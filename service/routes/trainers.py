"""Routes of trainers that are configured with a bare URL: OpenRLHF, slime and miles, NeMo-Gym.

They hold a request below the client's own clock instead of shedding it; a retry joins the work under way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
import structlog
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from redis.exceptions import RedisError

from chartreward.completions import completion_text, last_assistant_turn
from chartreward.errors import LabelError
from chartreward.labels import as_reference
from chartreward.models import MAX_ITEMS, Item, Limits, Profile, Reference, RewardRequest, Status
from chartreward.profiles import find_profile
from service.batch import Batch
from service.dispatch import busy
from service.openapi import problems, request_body
from service.problems import ProblemError, invalid, of_validation
from service.settings import Infrastructure
from service.state import State, read_model, state_of

log = structlog.get_logger(__name__)
router = APIRouter(tags=["trainers"])

ProfileName = Annotated[str | None, Query(max_length=80, description="profile instead of the configured one")]
OURS = (Status.WORKER_ERROR, Status.DEADLINE, Status.CANCELLED)


class Hints(BaseModel):
    """How to score, in a label that is JSON. Other keys are ignored."""

    model_config = ConfigDict(extra="ignore")

    profile: str | None = None
    runtime: str | None = None
    timeout_s: float | None = None


class GetReward(BaseModel):
    """Body of OpenRLHF's remote reward. Lists may be empty."""

    model_config = ConfigDict(extra="ignore")

    query: list[str] = Field(max_length=MAX_ITEMS, description="prompt and response, special tokens included")
    prompts: list[Any] | None = None
    labels: list[JsonValue] | None = Field(default=None, description="the reference of each query; see the docs")


class Rm(BaseModel):
    """Body of slime's and miles' `remote_rm`."""

    model_config = ConfigDict(extra="ignore")

    prompt: JsonValue = None
    response: str
    label: JsonValue = None


class SeedSession(BaseModel):
    """Any object."""

    model_config = ConfigDict(extra="allow")


class Verify(BaseModel):
    """Body of NeMo-Gym's `/verify`; every other field of the row is given back as it came."""

    model_config = ConfigDict(extra="allow")

    responses_create_params: dict[str, JsonValue]
    response: dict[str, JsonValue]
    verifier_metadata: dict[str, JsonValue] | None = None


class Rewards(BaseModel):
    """Answer to OpenRLHF: as many numbers as queries."""

    rewards: list[float]
    scores: list[float] = Field(description="the rewards mapped to [0, 1]")
    extra_logs: dict[str, list[float]]


class Verified(BaseModel):
    """Answer to NeMo-Gym: the body again, and the reward."""

    model_config = ConfigDict(extra="allow")

    reward: float
    mask_sample: bool = Field(description="true: we failed, leave the sample out")
    failure_reason: str | None


@dataclass(frozen=True, slots=True)
class Label:
    """What a label says: the reference, and (when it is JSON) how to score."""

    reference: Reference
    hints: Hints


def read_label(label: JsonValue, where: list[str | int]) -> Label:
    """Read a label (see `chartreward.labels`).

    Raises ProblemError (422): a label that names no chart is a mistake in the data set, which no retry mends.
    """
    fields: JsonValue = label
    try:
        reference = as_reference(label)
        if isinstance(label, str) and label.lstrip().startswith("{"):
            fields = orjson.loads(label)
        return Label(reference, Hints.model_validate(fields) if isinstance(fields, dict) else Hints())
    except (LabelError, ValidationError) as error:
        message = str(error) if isinstance(error, LabelError) else error.errors()[0]["msg"]
        raise invalid(f"{_dotted(where)}: {message}", (where, message)) from None


@router.post(
    "/get_reward",
    response_model=Rewards,
    responses=problems(400, 413, 415, 422, 503),
    openapi_extra=request_body(GetReward),
)
async def get_reward(request: Request, profile: ProfileName = None) -> Any:
    """OpenRLHF (and lmm-r1): rewards of N queries, in order."""
    state = state_of(request)
    body = await read_model(request, GetReward)
    if not body.query:
        return _json({"rewards": [], "scores": [], "extra_logs": {}})
    given = body.labels or []
    if len(given) != len(body.query):
        message = f"{len(given)} labels for {len(body.query)} queries"
        raise invalid(f"labels: {message}", (["labels"], message))
    labels = [read_label(label, ["labels", index]) for index, label in enumerate(given)]
    turns = [last_assistant_turn(query) for query in body.query]
    rows = await _score(state, turns, labels, profile, state.settings.get_reward_deadline_s)
    fallback = state.settings.get_reward_infrastructure
    recipe = _recipe(state, profile)
    answers = [_numbers(row, recipe, fallback) for row in rows]
    logs = {name: [answer[name] for answer in answers] for name in answers[0] if name not in ("reward", "normalized")}
    rewards = [answer["reward"] for answer in answers]
    return _json({"rewards": rewards, "scores": [answer["normalized"] for answer in answers], "extra_logs": logs})


@router.post("/rm", response_model=float, responses=problems(400, 413, 415, 422, 503), openapi_extra=request_body(Rm))
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
    rows = await _score(state, [body.response], [label], profile, state.settings.rm_deadline_s)
    recipe = _recipe(state, profile)
    answer = _numbers(rows[0], recipe, state.settings.rm_infrastructure)
    return _json(answer["reward"] if reward_key is None else {**answer, reward_key: answer["reward"]})


@router.post("/seed_session", responses=problems(400, 413, 415, 422), openapi_extra=request_body(SeedSession))
async def seed_session(request: Request) -> dict[str, str]:
    """NeMo-Gym: nothing to prepare; scoring has no session."""
    await read_model(request, SeedSession)
    return {}


@router.post(
    "/verify", response_model=Verified, responses=problems(400, 413, 415, 422), openapi_extra=request_body(Verify)
)
async def verify(request: Request, profile: ProfileName = None) -> Any:
    """NeMo-Gym (NeMo-RL, prime-rl, verifiers): the body again with its reward; our failures are masked, not scored."""
    state = state_of(request)
    body = await read_model(request, Verify)
    label = read_label(_label_of(body), ["verifier_metadata"])
    recipe = _recipe(state, profile or label.hints.profile)
    try:
        rows = await _score(state, [_output_text(body.response)], [label], profile, state.settings.verify_deadline_s)
        reason = _failure(rows[0])
        answer = _numbers(rows[0], recipe, 0.0)
    except ProblemError as problem:
        if problem.status < 500:
            raise
        reason, answer = problem.detail, _numbers({}, recipe, 0.0)
    masked = reason is not None
    echoed = body.model_dump(mode="json")
    config = echoed.get("instance_config")
    extra = {
        "mask_sample": masked,
        "failure_reason": reason,
        "_ng_failure_class": "infrastructure" if masked else None,
        "instance_config": {**(config if isinstance(config, dict) else {}), "mask_sample": masked},
    }
    return _json({**echoed, **answer, **extra})


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


async def _score(
    state: State, texts: Sequence[str], labels: Sequence[Label], profile: str | None, hold_s: float
) -> list[dict[str, Any]]:
    """Results of (text, label) pairs in order, held until `hold_s`; {} for what is not done by then.

    Items whose labels ask for different settings become batches of their own.
    """
    until = time.time() + hold_s
    groups: dict[tuple[str, str | None, float | None], list[int]] = {}
    for index, label in enumerate(labels):
        recipe = profile or label.hints.profile or state.settings.compat_profile
        groups.setdefault((recipe, label.hints.runtime, label.hints.timeout_s), []).append(index)
    rows: list[dict[str, Any]] = [{} for _ in texts]

    async def one(recipe: str, runtime: str | None, timeout_s: float | None, members: list[int]) -> None:
        try:
            items = [Item(completion=texts[index], reference=labels[index].reference) for index in members]
            wanted = RewardRequest(
                items=items,
                profile=recipe,
                runtime=runtime,
                limits=Limits(timeout_s=timeout_s),
                priority="default",
                deadline_s=hold_s + 5,
            )
        except ValidationError as error:
            raise of_validation(error) from None
        batch = await _hold(state, wanted, until)
        for place, record, _ in batch.results():
            rows[members[place]] = orjson.loads(record.body)

    await asyncio.gather(*(one(*key, members) for key, members in groups.items()))
    return rows


async def _hold(state: State, wanted: RewardRequest, until: float) -> Batch:
    """Submit and wait; while Redis or the workers are away, try again until the clock runs out."""
    while True:
        try:
            plan = state.intake.plan(wanted, await state.fleet.facts())
            batch = await state.dispatcher.submit(plan, shed=False)
            await state.dispatcher.finish(batch, until, plan)
            return batch
        except (RedisError, ProblemError) as error:
            if isinstance(error, ProblemError) and error.status < 500:
                raise
            if time.time() >= until:
                raise busy() from error
            log.warning("held", error=str(error))
            await asyncio.sleep(0.5)


def _recipe(state: State, name: str | None) -> Profile:
    try:
        return find_profile(name or state.settings.compat_profile)
    except KeyError as error:
        raise invalid(f"profile: {error.args[0]}", (["profile"], error.args[0])) from None


def _failure(row: Mapping[str, Any]) -> str | None:
    """Why there is no reward, when the fault is ours or the reference's."""
    if not row:
        return "not finished in time"
    if row["reward"] is not None:
        return None
    error = row.get("error") or {}
    return f"{row['status']}: {error.get('message', '')}"


def _numbers(row: Mapping[str, Any], profile: Profile, fallback: Infrastructure) -> dict[str, float]:
    """The same keys for every item of a profile, finite numbers only.

    What has no reward gets `fallback`; with `error` it raises ProblemError instead: 503, or 422 for a bad reference.
    """
    reason = _failure(row)
    if reason is not None and fallback == "error":
        if row.get("status") == Status.BAD_REFERENCE:
            raise invalid(reason, (["label"], reason))
        raise busy() if not row or row["status"] in OURS[1:] else _ours(reason)
    reward = float(fallback) if reason is not None else float(row["reward"])
    values = {name: _value(name, row.get("signals") or {}) for name in (use.name for use in profile.signals)}
    return {
        "reward": reward,
        "normalized": profile.normalize(reward) if reason is not None else float(row["normalized"]),
        "executed": float(row.get("status") == Status.OK),
        "timed_out": float(row.get("status") == Status.TIMEOUT),
        "infra_error": float(reason is not None),
        **values,
    }


def _ours(reason: str) -> ProblemError:
    return ProblemError(503, "worker_error", reason, retryable=True, retry_after=1)


def _value(name: str, signals: Mapping[str, Any]) -> float:
    """A signal's number; `visual` is reported under its backbone's name."""
    found = signals.get(name) or next((entry for full, entry in signals.items() if full.startswith(f"{name}.")), None)
    return float((found or {}).get("value") or 0.0)


def _dotted(where: list[str | int]) -> str:
    return ".".join(map(str, where))


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")

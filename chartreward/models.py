"""The wire contract: requests, results, statuses and reward recipes.

The service, the workers and the client share these models; nothing else describes what travels.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from chartreward.description import ChartDescription

MAX_ITEMS = 4096
MAX_CODE_CHARS = 200_000
MAX_COMPLETION_CHARS = 1_000_000
MAX_IMAGE_CHARS = 28_000_000  # base64 of about 20 MB

Finite = Annotated[float, Field(allow_inf_nan=False)]
Unit = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class Status(StrEnum):
    """How one item ended."""

    OK = "ok"
    NO_CODE = "no_code"
    SYNTAX_ERROR = "syntax_error"
    RUNTIME_ERROR = "runtime_error"
    NO_FIGURE = "no_figure"
    TIMEOUT = "timeout"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    FIGURE_TOO_LARGE = "figure_too_large"
    FORBIDDEN = "forbidden"
    CRASHED = "crashed"
    BAD_REFERENCE = "bad_reference"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    WORKER_ERROR = "worker_error"

    @property
    def is_policy_failure(self) -> bool:
        """True when the generated code caused the failure, so that it carries the profile's failure reward."""
        return self in POLICY_FAILURES


POLICY_FAILURES = frozenset(
    {
        Status.NO_CODE,
        Status.SYNTAX_ERROR,
        Status.RUNTIME_ERROR,
        Status.NO_FIGURE,
        Status.TIMEOUT,
        Status.MEMORY_LIMIT,
        Status.OUTPUT_LIMIT,
        Status.FIGURE_TOO_LARGE,
        Status.FORBIDDEN,
        Status.CRASHED,
    }
)


class Strict(BaseModel):
    """Base of everything a client may send: an unknown field is an error, not a typo ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


# --- requests ---------------------------------------------------------------------------------


class Reference(Strict):
    """The chart to compare with: its script, its picture, or the id of one registered before."""

    id: str | None = Field(default=None, min_length=1, max_length=200)
    code: str | None = Field(default=None, min_length=1, max_length=MAX_CODE_CHARS)
    image: str | None = Field(
        default=None, min_length=1, max_length=MAX_IMAGE_CHARS, description="base64 of a PNG, JPEG or WebP picture"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Reference:
        given = [name for name in ("id", "code", "image") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of id, code, image (got {', '.join(given) or 'none'})")
        return self


class Item(Strict):
    """One (generated code, reference) pair."""

    id: str | None = Field(default=None, max_length=200, description="echoed in the result")
    code: str | None = Field(default=None, max_length=MAX_CODE_CHARS)
    completion: str | None = Field(
        default=None, max_length=MAX_COMPLETION_CHARS, description="raw model output; code is extracted from it"
    )
    reference: str | Reference = Field(description="a key of `references`, or a reference")

    @model_validator(mode="after")
    def _code_or_completion(self) -> Item:
        if (self.code is None) == (self.completion is None):
            raise ValueError("give exactly one of code, completion")
        return self


class Limits(Strict):
    """What one execution may use. Operators cap each value; `None` means the operator's default."""

    timeout_s: float | None = Field(default=None, gt=0, le=600, allow_inf_nan=False)
    memory_mb: int | None = Field(default=None, ge=64, le=65_536, description="above what the warm interpreter holds")


Returnable = Literal["description", "render", "evidence"]
Priority = Literal["high", "default", "low"]


class RewardRequest(Strict):
    """Body of `POST /v1/rewards`."""

    items: list[Item] = Field(min_length=1, max_length=MAX_ITEMS)
    references: dict[str, Reference] = Field(default_factory=dict, max_length=MAX_ITEMS)
    profile: str | Profile = "chartsimrl"
    runtime: str | None = Field(default=None, max_length=64, description="`None`: the service's default runtime")
    limits: Limits = Limits()
    returns: list[Returnable] = Field(default_factory=list, alias="return")
    priority: Priority = "default"
    deadline_s: float | None = Field(
        default=None, gt=0, le=86_400, allow_inf_nan=False, description="`None`: the service's default"
    )


# --- reward recipes ---------------------------------------------------------------------------


class SignalUse(Strict):
    """One signal of a profile. `name` selects the registered signal, `options` are that signal's own settings."""

    name: str = Field(min_length=1, max_length=64)
    weight: Finite = 1.0
    options: dict[str, JsonValue] = Field(default_factory=dict)
    when_unavailable: Literal["renormalise", "fail"] = Field(
        default="renormalise",
        description="what to do when the reference cannot give this signal (an image has no data): spread its weight "
        "over the others and say so, or answer `bad_reference`",
    )


class Gate(Strict):
    """Stops the reward at a value unless a signal reaches a threshold (G-RA style); gates are tried in order."""

    signal: str
    at_least: Unit
    otherwise: Finite = Field(description="the reward when the gate stays closed")
    bonus: Finite = Field(default=0.0, description="added to the reward when the gate opens")


class Shaping(Strict):
    """One shaping step, applied in order to the combined value.

    clip: min(max(r, low), high). sigmoid: 1 / (1 + exp(-slope * (r - center))) (PAR).
    length_penalty: r - weight * max(0, 1 - allowed / chars) for code longer than `allowed` characters.
    """

    kind: Literal["clip", "sigmoid", "length_penalty"]
    low: Finite = 0.0
    high: Finite = 1.0
    center: Finite = 0.5
    slope: Finite = 10.0
    allowed: int = Field(default=8000, gt=0)
    weight: Finite = 0.1


class Profile(Strict):
    """A named, versioned recipe from signals to one number.

    reward = shaping(offset + sum(weight * signal)), after the gates; a failure status carries `failures[status]`
    or else `failure_reward`; a blank figure carries `blank_reward` (`None`: scored like any other).
    """

    name: str = Field(default="inline", pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    version: int = Field(default=1, ge=1)
    title: str = ""
    formula: str = ""
    citation: str = ""
    signals: list[SignalUse] = Field(min_length=1, max_length=32)
    combine: Literal["sum", "mean"] = Field(default="sum", description="mean divides by the sum of the weights")
    offset: Finite = 0.0
    gates: list[Gate] = Field(default_factory=list, max_length=16)
    shaping: list[Shaping] = Field(default_factory=list, max_length=8)
    range: tuple[Finite, Finite] = Field(description="lowest and highest reward; `normalized` maps it to [0, 1]")
    failure_reward: Finite = 0.0
    failures: dict[Status, Finite] = Field(default_factory=dict)
    blank_reward: Finite | None = 0.0
    partial_figures: bool = Field(
        default=False, description="score what was drawn before an exception instead of failing the item"
    )
    check_integrity: bool = Field(
        default=True, description="drop claims the pixels do not support; off only for bug-for-bug metrics"
    )

    @property
    def ref(self) -> str:
        """`name@version`, as results quote it."""
        return f"{self.name}@{self.version}"

    def normalize(self, reward: float) -> float:
        """Map a reward from `range` to [0, 1]."""
        low, high = self.range
        return min(1.0, max(0.0, (reward - low) / (high - low))) if high > low else 0.0

    def failure(self, status: Status) -> float:
        """The reward of a failure that the generated code caused."""
        return self.failures.get(status, self.failure_reward)


# --- results ----------------------------------------------------------------------------------


class SignalResult(BaseModel):
    """A signal's value in [0, 1] and what it rests on. `value` is null when `unavailable` says why."""

    model_config = ConfigDict(extra="forbid")

    value: Unit | None
    weight: Finite | None = Field(default=None, description="the weight it had in the reward, after renormalising")
    precision: Unit | None = None
    recall: Unit | None = None
    f1: Unit | None = None
    matched: int | None = None
    generated: int | None = None
    reference: int | None = None
    layers: list[Finite] | None = Field(default=None, description="one similarity a backbone stage")
    unavailable: str | None = None
    evidence: dict[str, Any] | None = Field(default=None, description='only when `return` asks for "evidence"')


class ItemError(BaseModel):
    """What went wrong in the submitted code (or with the reference, or with us)."""

    type: str
    message: str
    line: int | None = Field(default=None, description="1-based line of the submitted code")
    traceback: str | None = Field(default=None, description="frames of the submitted code only, capped")


class Integrity(BaseModel):
    """Claims of the chart description that the pixels did not support, and artists nobody can see."""

    unsupported: int = 0
    hidden: int = 0
    findings: list[dict[str, Any]] | None = Field(default=None, description='only when `return` asks for "evidence"')


class Timing(BaseModel):
    """Where the time went, in milliseconds."""

    queue_ms: float = 0.0
    exec_ms: float = 0.0
    draw_ms: float = 0.0
    score_ms: float = 0.0
    cached: bool = False


class Picture(BaseModel):
    """Where a render can be fetched, and its size in pixels."""

    url: str
    width: int
    height: int


class ItemResult(BaseModel):
    """The answer to one item. `reward` is null only for `worker_error`, `cancelled`, `deadline`, `bad_reference`."""

    id: str | None = None
    index: int = 0
    status: Status
    reward: Finite | None
    normalized: Unit | None
    signals: dict[str, SignalResult] = Field(default_factory=dict)
    error: ItemError | None = None
    blank: bool = False
    integrity: Integrity = Integrity()
    timing: Timing = Timing()
    profile: str = ""
    runtime: str = ""
    engine: str = ""
    weights: str | None = Field(default=None, description="backbone:sha256 of the weights that `visual` used")
    reference: str | None = Field(default=None, description="content id of the reference")
    description: ChartDescription | None = None
    reference_description: ChartDescription | None = None
    render: Picture | None = None
    reference_render: Picture | None = None


class BatchStatus(StrEnum):
    """Where a batch stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Batch(BaseModel):
    """Answer of `POST /v1/rewards` and `GET /v1/rewards/{id}`; `results` in request order, finished ones only."""

    id: str
    status: BatchStatus
    total: int
    done: int
    counts: dict[Status, int] = Field(default_factory=dict)
    results: list[ItemResult] = Field(default_factory=list)
    created: float = Field(description="seconds since the epoch")
    profile: str = ""
    runtime: str = ""


class BatchSummary(BaseModel):
    """A batch in the list of recent ones: progress, without results."""

    id: str
    status: BatchStatus
    total: int
    done: int
    counts: dict[Status, int] = Field(default_factory=dict)
    created: float = Field(description="seconds since the epoch")
    deadline: float = Field(description="seconds since the epoch")
    profile: str = ""
    runtime: str = ""


class Problem(BaseModel):
    """`application/problem+json` (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    retryable: bool = False
    request_id: str | None = None
    errors: list[dict[str, Any]] | None = Field(default=None, description="one entry a bad field: loc, msg")


RewardRequest.model_rebuild()

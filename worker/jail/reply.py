"""The head of a result frame: a claim made in a process that ran foreign code, read within bounds."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chartreward.description import MAX_LINES, ChartDescription
from chartreward.models import Status

# Above all that the harness writes (worker/sandboxed/describe_values.py), counted before anything is parsed.
MAX_MEMBERS = 1_000_000  # commas: each value of the head costs memory and time to read
MAX_VALUES = 400_000  # numbers in the marks of one description
MAX_TEXT = 2_000_000  # characters in its texts
MAX_CALL_COLORS = 100_000
MAX_ESCAPES = 1000
MAX_ERRORS = 1000


class ReplyError(Exception):
    """The head is not one that the harness writes."""


class ErrorClaim(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: str = Field(max_length=200)
    message: str = Field(max_length=20_000)
    line: int | None = Field(default=None, ge=-(2**53), le=2**53)
    traceback: str | None = Field(default=None, max_length=100_000)
    errno: int | None = Field(default=None, ge=-(2**53), le=2**53)


class Reply(BaseModel):
    """What a job says of itself."""

    model_config = ConfigDict(extra="forbid")

    status: Status
    error: ErrorClaim | None = None
    width: int = Field(default=0, ge=0, le=2**31)
    height: int = Field(default=0, ge=0, le=2**31)
    exec_ms: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    draw_ms: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    description: ChartDescription | None = None
    denied: str | None = Field(default=None, max_length=1000)
    escaped: list[Annotated[str, Field(max_length=200)]] | None = Field(default=None, max_length=MAX_ESCAPES)


def read(head: bytes | bytearray) -> Reply:
    """Parse and check a head. Raises ReplyError."""
    if head.count(b",") > MAX_MEMBERS:
        raise ReplyError(f"the result's head has more than {MAX_MEMBERS} members")
    try:
        reply = Reply.model_validate_json(bytes(head))
    except ValidationError as error:
        if error.error_count() > MAX_ERRORS:  # listing a million of them would cost more than they did
            raise ReplyError(f"the result's head is not valid in {error.error_count()} places") from None
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ReplyError(f"the result's head is not valid: {where[:200]}: {first['msg'][:500]}") from error
    if reply.description is not None:
        _check_totals(reply.description)
    return reply


def _check_totals(description: ChartDescription) -> None:
    calls, lines = description.calls or (), description.text_lines or ()
    totals = (
        ("numbers", sum(len(values) for mark in description.marks for values in mark.data.values()), MAX_VALUES),
        ("characters", sum(len(text.string) for text in description.texts), MAX_TEXT),
        ("colours of calls", sum(len(call.colors) for call in calls), MAX_CALL_COLORS),
        ("lines of text", len(lines), MAX_LINES),
    )
    for what, found, most in totals:
        if found > most:
            raise ReplyError(f"the description has {found} {what}; at most {most} are read")

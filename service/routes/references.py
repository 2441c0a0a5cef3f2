"""`/v1/references` and `/v1/renders`: charts to compare with, and pictures that were drawn."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from chartreward import ledger
from chartreward.models import Reference
from service.openapi import problems, request_body
from service.problems import ProblemError, invalid
from service.state import read_model, state_of

router = APIRouter(prefix="/v1", tags=["references"])


class RegisteredReference(BaseModel):
    """A reference that items may name by its id."""

    id: str = Field(description="content id: the same content gets the same id")
    kind: Literal["code", "image"]
    expires: float = Field(description="seconds since the epoch; every use puts it off")


@router.post(
    "/references",
    status_code=201,
    response_model=RegisteredReference,
    responses=problems(400, 413, 415, 422, 503),
    openapi_extra=request_body(Reference),
)
async def register(request: Request) -> Any:
    """Store a reference (code or image) once, to be named by its id afterwards."""
    state = state_of(request)
    reference = await read_model(request, Reference)
    if reference.id is not None:
        raise invalid("id: register code or image; the id is the answer", (["id"], "not taken here"))
    content_id = state.intake.check_reference(reference, [])
    ttl = state.settings.reference_ttl_s
    await state.dispatcher.keep_reference(content_id, reference)
    kind = "code" if reference.code is not None else "image"
    return RegisteredReference(id=content_id, kind=kind, expires=time.time() + ttl)


@router.get("/references/{reference_id}", response_model=RegisteredReference, responses=problems(404, 422, 503))
async def look(request: Request, reference_id: Annotated[str, Path(max_length=200)]) -> Any:
    """Whether a reference is registered, and until when."""
    redis = state_of(request).redis
    key = ledger.reference_key(reference_id)
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.getrange(key, 0, 10)
        pipeline.ttl(key)
        head, ttl = await pipeline.execute()
    if not head:
        raise ProblemError(404, "unknown_reference", f"no reference {reference_id[:80]!r} is registered")
    kind = "code" if head.startswith(b'{"code"') else "image"
    return RegisteredReference(id=reference_id, kind=kind, expires=time.time() + ttl)


@router.get(
    "/renders/{name}.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **problems(404, 422, 503)},
)
async def render(request: Request, name: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]) -> Response:
    """A picture named in a result, as PNG."""
    data = await state_of(request).redis.get(ledger.render_key(name))
    if data is None:
        raise ProblemError(404, "unknown_render", "no such picture: renders are kept for a short time only")
    headers = {"Cache-Control": "private, max-age=86400, immutable", "ETag": f'"{name}"'}
    return Response(data, media_type="image/png", headers=headers)

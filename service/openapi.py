"""The OpenAPI document: bodies that routes parse themselves, problems, and the models only these name."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chartreward import __version__
from chartreward.models import ItemResult, Problem

_BODIES: dict[str, type[BaseModel]] = {}
_TITLES = {
    400: "The body is not JSON",
    401: "An API key is needed",
    404: "There is no such thing",
    409: "The Idempotency-Key stands for another body",
    413: "The body is too large",
    415: "The body is not plain JSON",
    422: "Some field is wrong; `errors` names it",
    429: "Too much at once; `Retry-After` says when to come back",
    503: "Redis or the workers do not answer; try again",
}
# Every route asks for a key when the service has any.
COMMON = (401,)


def request_body(model: type[BaseModel], examples: dict[str, Any] | None = None) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body itself."""
    _BODIES[model.__name__] = model
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
    if examples:
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route: the problems it may answer."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _TITLES[status], "content": {"application/problem+json": {"schema": schema}}}
        for status in (*COMMON, *statuses)
    }


def build(app: FastAPI) -> dict[str, Any]:
    """The document of an application."""
    document = get_openapi(
        title="ChartReward",
        version=__version__,
        summary="Rewards for chart-to-code reinforcement learning",
        routes=app.routes,
    )
    models = [(model, "validation") for model in _BODIES.values()] + [
        (Problem, "serialization"),
        (ItemResult, "serialization"),
    ]
    _, extra = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in extra["$defs"].items():
        schemas.setdefault(name, schema)
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "basic": {"type": "http", "scheme": "basic", "description": "the key as password"},
        "token": {"type": "apiKey", "in": "query", "name": "token"},
    }
    document["security"] = [{}, {"bearer": []}, {"basic": []}, {"token": []}]
    return document


def install(app: FastAPI) -> None:
    """Let `app.openapi()` give this document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]

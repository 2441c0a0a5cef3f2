"""`chartreward workers`, `openapi`, `config`, `key`: looking at a service, and setting one up."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chartreward.cli_errors import CommandError, ExitStatus
from chartreward.messages import WorkerInfo
from chartreward.models import Problem

Url = Annotated[str, typer.Option(help="A running service.", envvar="CHARTREWARD_URL")]
Key = Annotated[str | None, typer.Option(help="API key.", envvar="CHARTREWARD_KEY")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(workers)
    app.command()(openapi)
    app.command()(config)
    app.command("key")(make_key)


def workers(
    url: Url = "http://127.0.0.1:8000",
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """List the workers of a service."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(f"{url.rstrip('/')}/v1/workers", headers=headers, timeout=10)
    except httpx.InvalidURL as error:
        raise CommandError(f"{url!r} is no URL: {error}") from None
    try:
        found = answer.json()
        if answer.is_error:
            problem = Problem.model_validate(found)
            status = ExitStatus.UNAVAILABLE if problem.retryable else ExitStatus.FAILED
            raise CommandError(f"{url}: {problem.status} {problem.code}: {problem.detail}", status)
        infos = [WorkerInfo.model_validate(info) for info in found]
    except (ValueError, TypeError):
        raise CommandError(f"{url} does not answer like ChartReward ({answer.status_code}); is it one?") from None
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    table = Table("name", "state", "done", "rss MB", "zygotes MB", "runtimes", "backbone", "level")
    for info in infos:
        color = {"idle": "green", "busy": "yellow", "refused": "red"}.get(info.state, "")
        numbers = [f"{number:.0f}" for number in (info.jobs_done, info.rss_mb, info.zygote_rss_mb)]
        level = Text(info.level, style="green" if info.level == "full" else "red")
        words = [", ".join(info.runtimes), info.default_backbone]
        table.add_row(Text(info.name), Text(info.state, style=color), *numbers, *map(Text, words), level)
    Console().print(table)
    if not infos:
        typer.echo("no worker serves", err=True)
        raise typer.Exit(int(ExitStatus.UNAVAILABLE))


def openapi() -> None:
    """Print the OpenAPI document of the service (what openapi.json holds)."""
    from service.app import create_app
    from service.settings import ServiceSettings

    app = create_app(ServiceSettings.model_construct(**_defaults(ServiceSettings)))
    typer.echo(json.dumps(app.openapi(), indent=2, ensure_ascii=False))


def config() -> None:
    """Print every setting with its variable, its default and what it does."""
    from service.settings import ServiceSettings
    from worker.settings import WorkerSettings

    for title, model in (("service", ServiceSettings), ("workers", WorkerSettings)):
        typer.echo(f"# {title}")
        for name, field in model.model_fields.items():
            default = _defaults(model)[name]
            text = json.dumps(default, default=str)
            typer.echo(f"CHARTREWARD_{name.upper()}={text}\n    {field.description or ''}")
        typer.echo("")


def make_key(name: Annotated[str, typer.Argument(help="Whose key it is.")]) -> None:
    """Make an API key: the key for its owner, its hash for CHARTREWARD_API_KEYS."""
    key = f"cr_{secrets.token_urlsafe(32)}"
    typer.echo(f"key (shown once): {key}")
    typer.echo(f"CHARTREWARD_API_KEYS='{json.dumps({name: hashlib.sha256(key.encode()).hexdigest()})}'")


def _defaults(model: Any) -> dict[str, Any]:
    return {name: field.get_default(call_default_factory=True) for name, field in model.model_fields.items()}

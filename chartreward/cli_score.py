"""`chartreward score`: two files, one reward."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from chartreward.cli_serve import generated_of, reference_of, reward_text
from chartreward.embedded import StackError
from chartreward.keys import reference_id
from chartreward.messages import WorkChunk, WorkItem
from chartreward.models import ItemResult, Limits, Profile, Reference, Status
from chartreward.profiles import DEFAULT_PROFILE, find_profile, profile_problems

FilePath = typer.Argument(exists=True, dir_okay=False, readable=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(score)


def score(  # noqa: PLR0917 - a command's options
    generated: Annotated[Path, FilePath],
    reference: Annotated[Path, FilePath],
    profile: Annotated[str, typer.Option(help="Name of the recipe, or a .json file with one.")] = DEFAULT_PROFILE,
    runtime: Annotated[str | None, typer.Option(help="Jail runtime; default: the first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result.")] = False,
    url: Annotated[
        str | None,
        typer.Option(help="A running service; default: the engine in this process.", envvar="CHARTREWARD_URL"),
    ] = None,
    key: Annotated[str | None, typer.Option(help="API key.", envvar="CHARTREWARD_KEY")] = None,
) -> None:
    """Score GENERATED (.py, or a completion) against REFERENCE (.py, a completion, or a picture)."""
    try:
        recipe = _profile(profile)
        item = {"id": generated.name, **generated_of(generated), "reference": reference_of(reference)}
        result = _remote(url, key, item, recipe, runtime) if url else _local(item, recipe, runtime)
    except (StackError, KeyError, ValidationError, httpx.HTTPError) as error:
        typer.echo(f"{error.args[0] if isinstance(error, KeyError) else error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(result.model_dump_json(indent=2, exclude_none=True))
    else:
        _show(result)
    if result.reward is None:
        raise typer.Exit(1)


def _profile(given: str) -> Profile:
    if given.endswith(".json"):
        return Profile.model_validate_json(Path(given).read_bytes())
    return find_profile(given)


def _remote(url: str, key: str | None, item: dict[str, Any], profile: Profile, runtime: str | None) -> ItemResult:
    """Through a service. Raises StackError, httpx.HTTPError."""
    body = {"items": [item], "profile": profile.model_dump(mode="json"), "runtime": runtime}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = httpx.post(f"{url.rstrip('/')}/v1/rewards?wait=120", json=body, headers=headers, timeout=130)
    data = answer.json()
    if answer.is_error:
        raise StackError(data.get("detail", answer.text))
    if not data["results"]:
        raise StackError(f"not finished after 120 s; see {answer.headers['Location']}")
    return ItemResult.model_validate(data["results"][0])


def _local(item: dict[str, Any], profile: Profile, runtime: str | None) -> ItemResult:
    """With the engine in this process. Raises StackError."""
    try:
        import structlog

        from worker.pipeline import Engine, EngineError
        from worker.settings import WorkerSettings
    except ImportError as error:
        message = f"no engine here ({error}): score through a server with --url, or set up the repository (make setup)"
        raise StackError(message) from None
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    code = item.get("code") or _code_of(item)
    given = Reference.model_validate(item["reference"])
    settings = WorkerSettings()
    names = list(settings.runtimes)
    if runtime is not None and runtime not in names:
        raise StackError(f"unknown runtime {runtime!r}; available: {', '.join(names)}")
    chosen = runtime or next(iter(names), "")
    if code is None:
        reward = profile.failure(Status.NO_CODE)
        return ItemResult(
            status=Status.NO_CODE, reward=reward, normalized=profile.normalize(reward), profile=profile.ref
        )
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    engine = Engine(settings.model_copy(update={"runtimes": {chosen: settings.runtimes[chosen]}} if chosen else {}))
    try:
        engine.start()
        problems = profile_problems(profile, engine.signal_names)
        if problems:
            raise StackError(f"profile {profile.ref}: {problems[0]['loc']}: {problems[0]['msg']}")
        chunk = WorkChunk(
            items=[WorkItem(key="local", code=code)],
            reference=reference_id(given),
            profile=profile,
            runtime=chosen,
            limits=Limits(),
        )
        (_, result) = next(iter(engine.score(chunk, given)))
    except EngineError as error:
        raise StackError(str(error)) from None
    finally:
        engine.close()
    return result.model_copy(update={"id": item["id"]})


def _code_of(item: dict[str, Any]) -> str | None:
    from chartreward.completions import extract_code

    return extract_code(item["completion"]) if "completion" in item else None


def _show(result: ItemResult) -> None:
    console = Console(highlight=False)
    console.print(
        f"[bold]{reward_text({'reward': result.reward})}[/bold]  {result.status}  {result.profile}  {result.runtime}"
    )
    if result.error is not None:
        line = f" (line {result.error.line})" if result.error.line else ""
        console.print(f"{result.error.type}{line}: {result.error.message}", markup=False)
    if result.signals:
        table = Table("signal", "value", "weight", "matched", "generated", "reference")
        for name, signal in result.signals.items():
            cells = (signal.value, signal.weight, signal.matched, signal.generated, signal.reference)
            table.add_row(name, *("" if cell is None else f"{cell:.4g}" for cell in cells))
        console.print(table)

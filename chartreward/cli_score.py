"""`chartreward score`: two files, one reward."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import httpx
import typer
from pydantic import ValidationError

from chartreward.cli_errors import CommandError, ExitStatus
from chartreward.cli_serve import generated_of, reference_of
from chartreward.cli_table import show_result
from chartreward.completions import extract_code
from chartreward.errors import ProtocolError, RejectedError, UnavailableError
from chartreward.keys import reference_id
from chartreward.messages import WorkChunk, WorkItem
from chartreward.models import ItemResult, Limits, Problem, Profile, Reference, Returnable, Status
from chartreward.profiles import DEFAULT_PROFILE, find_profile, load_profiles, profile_problems
from chartreward.report_pair import Pair, write_pair

FilePath = typer.Argument(exists=True, dir_okay=False, readable=True)
WAIT_S = 120


@dataclass(frozen=True)
class _Job:
    """What to score, and what to bring back beside the result."""

    item: dict[str, Any]
    profile: Profile
    runtime: str | None
    extras: list[str]


@dataclass(frozen=True)
class _Scored:
    """A result, and how to get the pictures that it points to."""

    result: ItemResult
    picture: Callable[[str], bytes | None]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(score)


def _profile_names() -> list[str]:
    return list(load_profiles())


def score(  # noqa: PLR0917 - a command's options
    generated: Annotated[Path, FilePath],
    reference: Annotated[Path, FilePath],
    profile: Annotated[
        str, typer.Option(help="Name of the recipe, or a .json file with one.", autocompletion=_profile_names)
    ] = DEFAULT_PROFILE,
    runtime: Annotated[str | None, typer.Option(help="Jail runtime; default: the first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page: both charts, every signal with its evidence.", dir_okay=False)
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="A running service; default: the engine in this process.", envvar="CHARTREWARD_URL"),
    ] = None,
    key: Annotated[str | None, typer.Option(help="API key.", envvar="CHARTREWARD_KEY")] = None,
) -> None:
    """Score GENERATED (.py, or a completion) against REFERENCE (.py, a completion, or a picture).

    Ends with 0 when there is a reward, also one for code that fails; 1 when a file or the profile cannot be used, or
    the reference draws nothing; 3 when the service gives no answer or no reward.
    """
    recipe = _profile(profile)
    theirs = reference_of(reference)
    item = {"id": generated.name, **generated_of(generated), "reference": theirs}
    extras = list(get_args(Returnable)) if html is not None else [] if as_json else ["evidence"]
    job = _Job(item, recipe, runtime, extras)
    scored = _remote(job, url, key) if url else _local(job)
    if html is not None:
        write_pair(html, Pair(scored.result, recipe, _code_of(item), theirs.get("code"), scored.picture))
    if as_json:
        plain = scored.result.model_copy(update={"description": None, "reference_description": None})
        typer.echo(plain.model_dump_json(indent=2, exclude_none=True))
    else:
        show_result(scored.result, recipe)
    if scored.result.reward is None:
        bad = scored.result.status is Status.BAD_REFERENCE
        raise typer.Exit(int(ExitStatus.FAILED if bad else ExitStatus.UNAVAILABLE))


def _profile(given: str) -> Profile:
    """A shipped recipe, or one in a file. Raises CommandError."""
    if given.endswith(".json"):
        try:
            return Profile.model_validate_json(Path(given).read_bytes())
        except ValidationError as error:
            wrong = (f"{'.'.join(map(str, entry['loc'])) or 'profile'}: {entry['msg']}" for entry in error.errors())
            raise CommandError(f"{given}: {'; '.join(wrong)}") from None
    try:
        return find_profile(given)
    except KeyError as error:
        raise CommandError(str(error.args[0])) from None


def _remote(job: _Job, url: str, key: str | None) -> _Scored:
    """Through a service. Raises ChartRewardError, httpx.HTTPError."""
    recipe = job.profile.model_dump(mode="json")
    body = {"items": [job.item], "profile": recipe, "runtime": job.runtime, "return": job.extras}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    base = url.rstrip("/")
    try:
        answer = httpx.post(f"{base}/v1/rewards?wait={WAIT_S}", json=body, headers=headers, timeout=WAIT_S + 10)
    except httpx.InvalidURL as error:
        raise CommandError(f"{url!r} is no URL: {error}") from None
    try:
        data = answer.json()
        if answer.is_error:
            problem = Problem.model_validate(data)
            if problem.retryable:
                raise UnavailableError(f"{url}: {problem.status} {problem.code}: {problem.detail}")
            raise RejectedError(problem)
        results = [ItemResult.model_validate(result) for result in data["results"]]
    except (ValueError, TypeError, KeyError):
        raise ProtocolError(f"{url} does not answer like ChartReward ({answer.status_code}); is it one?") from None
    if not results:
        raise UnavailableError(f"not finished after {WAIT_S} s; see {base}{answer.headers.get('Location', '')}")

    def picture(where: str) -> bytes | None:
        found = httpx.get(f"{base}{where}", headers=headers, timeout=30)
        return found.content if found.status_code == 200 else None

    return _Scored(results[0], picture)


def _local(job: _Job) -> _Scored:
    """With the engine in this process. Raises CommandError."""
    try:
        import structlog

        from worker.jail import JailError
        from worker.jails import EngineError
        from worker.pipeline import Engine
        from worker.settings import WorkerSettings
        from worker.vision.weights import WeightsError
    except ImportError as error:
        message = f"no engine here ({error}): score through a server with --url, or set up the repository (make setup)"
        raise CommandError(message) from None
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    profile, runtime = job.profile, job.runtime
    code = _code_of(job.item)
    given = Reference.model_validate(job.item["reference"])
    settings = WorkerSettings()
    names = list(settings.runtimes)
    if runtime is not None and runtime not in names:
        raise CommandError(f"unknown runtime {runtime!r}; available: {', '.join(names)}")
    chosen = runtime or next(iter(names), "")
    stored: dict[str, bytes] = {}

    def picture(where: str) -> bytes | None:
        return stored.get(where.rsplit("/", 1)[-1].removesuffix(".png"))

    if code is None:
        reward = profile.failure(Status.NO_CODE)
        result = ItemResult(
            status=Status.NO_CODE, reward=reward, normalized=profile.normalize(reward), profile=profile.ref
        )
        return _Scored(result.model_copy(update={"id": job.item["id"]}), picture)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    engine = Engine(settings.model_copy(update={"runtimes": {chosen: settings.runtimes[chosen]}} if chosen else {}))
    engine.renders = stored.__setitem__
    try:
        engine.start()
        problems = profile_problems(profile, engine.signal_names)
        if problems:
            wrong = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
            raise CommandError(f"profile {profile.ref}: {'; '.join(wrong)}")
        chunk = WorkChunk.model_validate(
            {
                "items": [WorkItem(key="local", code=code)],
                "reference": reference_id(given),
                "profile": profile,
                "runtime": chosen,
                "limits": Limits(),
                "returns": job.extras,
            }
        )
        (_, result) = next(iter(engine.score(chunk, given)))
    except (EngineError, JailError, WeightsError) as error:
        raise CommandError(str(error)) from None
    finally:
        engine.close()
    wired = ItemResult.model_validate_json(result.model_copy(update={"id": job.item["id"]}).model_dump_json())
    return _Scored(wired, picture)  # as a service would have sent it


def _code_of(item: dict[str, Any]) -> str | None:
    """The code that runs."""
    return extract_code(item["completion"]) if "completion" in item else str(item["code"])

"""`chartreward submit`: a whole evaluation, offline: resumable, with a summary and a report to look at."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from chartreward.cli_errors import CommandError, ExitStatus, fail
from chartreward.client import RewardClient
from chartreward.models import ItemResult, Returnable, Status
from chartreward.progress import progress_bar
from chartreward.report import write_report

COMPLETIONS = ("completion", "response", "prediction", "output", "code")
LABELS = ("reference", "label", "ground_truth", "solution", "answer")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(submit)


def submit(  # noqa: PLR0917 - a command's options
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="One JSON object a line.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="results.jsonl, or results.parquet (needs pyarrow).")],
    url: Annotated[str, typer.Option(envvar="CHARTREWARD_URL")] = "http://127.0.0.1:8000",
    key: Annotated[str | None, typer.Option(envvar="CHARTREWARD_KEY", help="API key.")] = None,
    profile: Annotated[str, typer.Option(help="Name of the recipe.")] = "chartsimrl",
    runtime: Annotated[str | None, typer.Option(help="Jail runtime; default: the service's.")] = None,
    completion: Annotated[str | None, typer.Option(help=f"Field to score; default: {', '.join(COMPLETIONS)}.")] = None,
    reference: Annotated[str | None, typer.Option(help=f"Field with references; default: {', '.join(LABELS)}.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page: both pictures, worst first.")] = None,
    report_items: Annotated[int, typer.Option(min=1, help="How many items the page shows.")] = 200,
) -> None:
    """Score every line of FILE and write one result a line, in the order of FILE.

    A line has a completion (text, messages, or `code`) and a reference (id, script, JSON label). Run it again after an
    interruption: what OUTPUT holds (or OUTPUT.partial, until it is complete) is not scored again, unless its line
    changed, it has no reward, or it is of another profile or runtime.
    """
    if output.suffix == ".parquet":
        _parquet()  # rather say now than after hours that it is missing
    rows = read_rows(file, completion, reference)
    done = score_rows(rows, output, url, key, profile=profile, runtime=runtime, render=report is not None)
    write_output(output, rows, done)
    if report is not None:
        write_report(report, rows, done, url=url, key=key, most=report_items)
    show_summary(done)
    if any(result.reward is None for result in done.values()):
        fail(
            "some items have no reward: the service failed, or a reference is bad; run the same command again",
            ExitStatus.UNAVAILABLE,
        )


def read_rows(file: Path, completion: str | None, reference: str | None) -> list[dict[str, Any]]:
    """The lines of the file as items with `id` (the line's own, or its number), completion or code, and reference."""
    rows = []
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                fail(f"{file}:{number}: no JSON: {error}")
            if not isinstance(record, Mapping):
                fail(f"{file}:{number}: not a JSON object")
            text = _field(record, completion, COMPLETIONS, f"{file}:{number}", "--completion")
            label = _field(record, reference, LABELS, f"{file}:{number}", "--reference")
            # A rollout without text (null) is one without code.
            row = {"id": str(record.get("id", number)), "reference": record[label]}
            rows.append(row | {"code" if text == "code" else "completion": record[text] or ""})
    if len({row["id"] for row in rows}) < len(rows):
        fail(f"{file}: some lines share an id")
    return rows


def _field(record: Mapping[str, Any], given: str | None, known: tuple[str, ...], where: str, option: str) -> str:
    for name in (given,) if given else known:
        if name in record:
            return name
    wanted = given or " or ".join(known)
    raise CommandError(f"{where}: no field {wanted}; name it with {option} (fields: {', '.join(record)})")


def score_rows(
    rows: list[dict[str, Any]],
    output: Path,
    url: str,
    key: str | None,
    *,
    profile: str,
    runtime: str | None,
    render: bool,
) -> dict[str, ItemResult]:
    """Score what is not scored yet, appending each result to OUTPUT.partial as it arrives; return all by id."""
    partial = output.with_name(output.name + ".partial")
    digests = {row["id"]: digest(row) for row in rows}
    done = {
        name: result
        for name, (result, of) in _known(output, partial).items()
        if of == digests.get(name)
        and result.reward is not None
        and profile in (result.profile, result.profile.partition("@")[0])
        and runtime in (None, result.runtime)
        and (not render or result.status is not Status.OK or result.render is not None)
    }
    todo = [row for row in rows if row["id"] not in done]
    returns: tuple[Returnable, ...] = ("render",) if render else ()
    partial.parent.mkdir(parents=True, exist_ok=True)
    client = RewardClient(url, key=key, profile=profile, runtime=runtime, returns=returns, errors="result")
    with client, partial.open("a", encoding="utf-8") as kept, progress_bar(None, len(todo), "scoring") as advance:
        for result in client.stream(todo):
            name = todo[result.index]["id"]
            kept.write(_line(result, digests[name]))
            kept.flush()
            done[name] = result
            advance()
    return done


def digest(row: Mapping[str, Any]) -> str:
    """What was scored, as 16 hex digits: a line that changed is scored again."""
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:16]


def _line(result: ItemResult, of: str) -> str:
    return json.dumps({**result.model_dump(mode="json"), "input": of}) + "\n"


def _known(output: Path, partial: Path) -> dict[str, tuple[ItemResult, str]]:
    """Results of earlier runs, and the digest of what was scored; a line that was cut off is not counted."""
    found: dict[str, tuple[ItemResult, str]] = {}
    for path in (output, partial):
        if not path.exists() or (path.suffix == ".parquet"):
            continue
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                    result = ItemResult.model_validate(record)
                except ValueError:
                    continue
                found[str(result.id)] = (result, str(record.get("input")))
    if output.suffix == ".parquet" and output.exists():
        for record in _parquet().read_table(output).to_pylist():
            # What the partial file has is newer.
            found.setdefault(record["id"], (ItemResult.model_validate_json(record["result"]), str(record.get("input"))))
    return found


def write_output(output: Path, rows: list[dict[str, Any]], done: dict[str, ItemResult]) -> None:
    """Write all results in the order of the rows, and drop the partial file."""
    results = [(done[row["id"]].model_copy(update={"index": n}), digest(row)) for n, row in enumerate(rows)]
    if output.suffix == ".parquet":
        parquet = _parquet()
        columns = [{**flat(result), "input": of} for result, of in results]
        names = list(dict.fromkeys(name for row in columns for name in row))  # a failed item has no signals
        table = import_module("pyarrow").table({name: [row.get(name) for row in columns] for name in names})
        parquet.write_table(table, output)
    else:
        output.write_text("".join(_line(result, of) for result, of in results), encoding="utf-8")
    output.with_name(output.name + ".partial").unlink(missing_ok=True)


def _parquet() -> Any:
    try:
        return import_module("pyarrow.parquet")
    except ImportError:
        fail("parquet needs pyarrow: pip install pyarrow, or write .jsonl")


def flat(result: ItemResult) -> dict[str, Any]:
    """A result as columns: id, status, reward, normalized, a column a signal, the error, and the whole as JSON."""
    columns: dict[str, Any] = {
        "id": result.id,
        "status": result.status.value,
        "reward": result.reward,
        "normalized": result.normalized,
        "error": f"{result.error.type}: {result.error.message}" if result.error else None,
    }
    columns |= {f"signal.{name}": signal.value for name, signal in sorted(result.signals.items())}
    return columns | {"result": result.model_dump_json()}


def show_summary(done: Mapping[str, ItemResult]) -> None:
    """A table: how many items ended how, and the mean reward and signals."""
    by_status: dict[str, list[ItemResult]] = defaultdict(list)
    for result in done.values():
        by_status[result.status.value].append(result)
    table = Table("status", "items", "share", "mean reward", title=f"{len(done)} items")
    for status, results in [*sorted(by_status.items(), key=lambda entry: -len(entry[1])), ("all", list(done.values()))]:
        rewards = [result.reward for result in results if result.reward is not None]
        mean = f"{sum(rewards) / len(rewards):.4f}" if rewards else "-"
        table.add_row(status, str(len(results)), f"{len(results) / max(1, len(done)):.1%}", mean)
    console = Console()
    console.print(table)
    values = defaultdict(list)
    for result in done.values():
        for name, signal in result.signals.items():
            if signal.value is not None:
                values[name].append(signal.value)
    for name, numbers in sorted(values.items()):
        console.print(f"  {name}: {sum(numbers) / len(numbers):.4f} over {len(numbers)} items", highlight=False)

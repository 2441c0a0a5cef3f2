"""`chartreward references register`: upload a dataset's references once, and write their ids beside the data."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from chartreward.cli_errors import fail
from chartreward.cli_submit import LABELS
from chartreward.client import AsyncRewardClient
from chartreward.errors import LabelError
from chartreward.progress import progress_bar

SUFFIXES = {".py", ".png", ".jpg", ".jpeg", ".webp"}
AT_ONCE = 16


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="References in the service's store.", no_args_is_help=True)
    group.command("register")(register_references)
    app.add_typer(group, name="references")


def register_references(  # noqa: PLR0917 - a command's options
    data: Annotated[
        Path, typer.Argument(exists=True, help="DATA.jsonl, a folder of .py and pictures, or a saved HF dataset.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: DATA.registered.jsonl (or folder).")
    ] = None,
    url: Annotated[str, typer.Option(envvar="CHARTREWARD_URL")] = "http://127.0.0.1:8000",
    key: Annotated[str | None, typer.Option(envvar="CHARTREWARD_KEY", help="API key.")] = None,
    column: Annotated[str | None, typer.Option(help=f"Column with references; default: {', '.join(LABELS)}.")] = None,
    id_column: Annotated[str, typer.Option(help="Column to write the ids to.")] = "reference_id",
) -> None:
    """Register every reference and write the data with a column of ids. Run it again to go on after an interruption."""
    if data.is_file():
        _jsonl(data, output or data.with_suffix(".registered.jsonl"), url, key, column=column, id_column=id_column)
    elif (data / "dataset_info.json").exists() or (data / "state.json").exists():
        saved = output or data.with_name(data.name + ".registered")
        _hf_dataset(data, saved, url, key, column=column, id_column=id_column)
    else:
        _folder(data, output or data / "references.jsonl", url, key, id_column)


def _upload(labels: list[Any], kept: Path, url: str, key: str | None) -> list[str]:
    """Ids of the labels, in order. Those of an earlier run are in `kept`, one a line; new ones are appended."""
    known = kept.read_text(encoding="utf-8").splitlines(keepends=True) if kept.exists() else []
    ids = [line.strip() for line in known if line.endswith("\n")][: len(labels)]

    async def run() -> None:
        async with AsyncRewardClient(url, key=key) as client:
            with kept.open("w", encoding="utf-8") as file, progress_bar(None, len(labels), "registering") as advance:
                file.writelines(f"{name}\n" for name in ids)
                for start in range(len(ids), len(labels), AT_ONCE):
                    some = await asyncio.gather(*(client.register(label) for label in labels[start : start + AT_ONCE]))
                    file.writelines(f"{name}\n" for name in some)
                    file.flush()
                    ids.extend(some)
                    for _ in some:
                        advance()

    asyncio.run(run())
    return ids


def _kept(output: Path) -> Path:
    return output.with_name(output.name + ".partial")


def _column(names: list[str], given: str | None, where: Path) -> str:
    for name in (given,) if given else LABELS:
        if name in names:
            return name
    raise LabelError(
        f"{where}: no column {given or ' or '.join(LABELS)}; name it with --column (columns: {', '.join(names)})"
    )


def _jsonl(data: Path, output: Path, url: str, key: str | None, *, column: str | None, id_column: str) -> None:
    records = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not records:
        fail(f"{data} is empty")
    name = _column(list(records[0]), column, data)
    ids = _upload([record[name] for record in records], _kept(output), url, key)
    lines = [
        json.dumps({**record, id_column: one}, ensure_ascii=False) + "\n"
        for record, one in zip(records, ids, strict=True)
    ]
    _finish(output, "".join(lines), len(ids))


def _folder(data: Path, output: Path, url: str, key: str | None, id_column: str) -> None:
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        fail(f"{data} holds no {', '.join(sorted(SUFFIXES))}")
    ids = _upload(files, _kept(output), url, key)
    pairs = zip(files, ids, strict=True)
    lines = [json.dumps({"file": str(path.relative_to(data)), id_column: one}) + "\n" for path, one in pairs]
    _finish(output, "".join(lines), len(ids))


def _hf_dataset(data: Path, output: Path, url: str, key: str | None, *, column: str | None, id_column: str) -> None:
    try:
        load_from_disk = import_module("datasets").load_from_disk
    except ImportError:
        fail("a saved dataset needs the datasets package: pip install datasets")
    dataset = load_from_disk(str(data))
    if not hasattr(dataset, "column_names") or isinstance(dataset.column_names, dict):
        fail(f"{data} holds several splits: name one, as in {data}/train")
    name = _column(list(dataset.column_names), column, data)
    kept = _kept(output)
    ids = _upload([row[name] for row in dataset.select_columns([name])], kept, url, key)
    dataset.add_column(id_column, ids).save_to_disk(str(output))
    kept.unlink()
    typer.echo(f"{len(ids)} references registered; {output} has their ids in {id_column}")


def _finish(output: Path, text: str, count: int) -> None:
    output.write_text(text, encoding="utf-8")
    _kept(output).unlink()
    typer.echo(f"{count} references registered; ids are in {output}")

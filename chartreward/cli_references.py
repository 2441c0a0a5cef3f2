"""`chartreward references register`: upload a dataset's references once, and write their ids beside the data."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from chartreward.cli_errors import fail
from chartreward.cli_submit import LABELS
from chartreward.client import AsyncRewardClient
from chartreward.errors import LabelError
from chartreward.keys import reference_id
from chartreward.labels import as_reference
from chartreward.models import Reference
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
    elif any((data / name).exists() for name in ("state.json", "dataset_info.json", "dataset_dict.json")):
        saved = output or data.with_name(data.name + ".registered")
        _hf_dataset(data, saved, url, key, column=column, id_column=id_column)
    else:
        _folder(data, output or data / "references.jsonl", url, key, id_column)


def _upload(labels: Iterable[Any], total: int, kept: Path, url: str, key: str | None) -> list[str]:
    """Ids of the labels, in order. Equal content is sent once; what an earlier run sent is in `kept` and not again."""
    known = _known(kept)

    async def run() -> list[str]:
        contents: list[str] = []
        async with AsyncRewardClient(url, key=key) as client:
            with kept.open("a", encoding="utf-8") as file, progress_bar(None, total, "registering") as advance:
                rest = iter(labels)
                while some := _references(list(islice(rest, AT_ONCE)), len(contents)):
                    new = {content: reference for content, reference in some if content not in known}
                    found = await asyncio.gather(*map(client.register, new.values()))
                    known.update(zip(new, found, strict=True))
                    file.writelines(f"{content}\t{known[content]}\n" for content in new)
                    file.flush()
                    for content, _ in some:
                        contents.append(content)
                        advance()
        return contents

    kept.parent.mkdir(parents=True, exist_ok=True)
    return [known[content] for content in asyncio.run(run())]


def _known(kept: Path) -> dict[str, str]:
    """Ids by content, as an interrupted run left them; its last line may be torn, and is ended so that ours is not."""
    if not kept.exists():
        return {}
    whole = [line for line in kept.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    kept.write_text("".join(whole), encoding="utf-8")
    pairs = (line.rstrip("\n").split("\t") for line in whole)
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def _references(labels: list[Any], first: int) -> list[tuple[str, Reference]]:
    """(content id, reference) of each label; raises `LabelError` with the number of the record, from 1."""
    found = []
    for number, label in enumerate(labels, first + 1):
        try:
            reference = as_reference(label)
        except LabelError as error:
            raise LabelError(f"record {number}: {error}") from error
        found.append((reference_id(reference), reference))
    return found


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
    records = []
    for number, line in enumerate(data.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip():
            records.append(_record(line, f"{data}:{number}"))
    if not records:
        fail(f"{data} is empty")
    name = _column(list(records[0]), column, data)
    labels = (record.get(name) for record in records)
    ids = _upload(labels, len(records), _kept(output), url, key)
    lines = [
        json.dumps({**record, id_column: one}, ensure_ascii=False) + "\n"
        for record, one in zip(records, ids, strict=True)
    ]
    _finish(output, "".join(lines), ids)


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise LabelError(f"{where}: no JSON: {error}") from error
    if not isinstance(record, dict):
        raise LabelError(f"{where}: not a JSON object")
    return record


def _folder(data: Path, output: Path, url: str, key: str | None, id_column: str) -> None:
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        fail(f"{data} holds no {', '.join(sorted(SUFFIXES))}")
    ids = _upload(files, len(files), _kept(output), url, key)
    pairs = zip(files, ids, strict=True)
    lines = [json.dumps({"file": str(path.relative_to(data)), id_column: one}) + "\n" for path, one in pairs]
    _finish(output, "".join(lines), ids)


def _hf_dataset(data: Path, output: Path, url: str, key: str | None, *, column: str | None, id_column: str) -> None:
    try:
        load_from_disk = import_module("datasets").load_from_disk
    except ImportError:
        fail("a saved dataset needs the datasets package: pip install datasets")
    dataset = load_from_disk(str(data))
    if not hasattr(dataset, "column_names") or isinstance(dataset.column_names, dict):
        fail(f"{data} holds several splits: name one, as in {data}/train")
    if id_column in dataset.column_names:
        dataset = dataset.remove_columns(id_column)
    name = _column(list(dataset.column_names), column, data)
    kept = _kept(output)
    labels = (row[name] for row in dataset.select_columns([name]))
    ids = _upload(labels, len(dataset), kept, url, key)
    dataset.add_column(id_column, ids).save_to_disk(str(output))
    kept.unlink()
    _say(ids, output)


def _finish(output: Path, text: str, ids: list[str]) -> None:
    output.write_text(text, encoding="utf-8")
    _kept(output).unlink()
    _say(ids, output)


def _say(ids: list[str], output: Path) -> None:
    different = len(set(ids))
    same = f" ({different} different)" if different < len(ids) else ""
    typer.echo(f"{len(ids)} references registered{same}; ids are in {output}")

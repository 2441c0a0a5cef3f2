"""`chartreward weights get`: a backbone's published checkpoint, fetched once, by hand. No worker ever downloads."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, NamedTuple

import httpx
import typer
from rich.console import Console
from rich.progress import Progress

from chartreward.cli_errors import CommandError, ExitStatus

LARGEST = 4_000_000_000  # bytes; no checkpoint of a backbone comes near


class Checkpoint(NamedTuple):
    """Where a checkpoint is published, and what its sha256 begins with (PyTorch writes that into the name)."""

    url: str
    sha256: str


CHECKPOINTS = {
    "resnet18": Checkpoint("https://download.pytorch.org/models/resnet18-f37072fd.pth", "f37072fd"),
    "squeezenet1_1": Checkpoint("https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth", "b8a52dc0"),
}


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Weights of the backbones.", no_args_is_help=True)
    group.callback()(_weights)
    group.command("get")(get)
    app.add_typer(group, name="weights")


def _weights() -> None:
    """Weights of the backbones."""


def get(
    backbone: Annotated[str, typer.Argument(help=f"One of {', '.join(CHECKPOINTS)}.")],
    folder: Annotated[
        Path,
        typer.Option(help="Where to put it.", envvar="CHARTREWARD_WEIGHTS_FOLDER", file_okay=False),
    ] = Path("~/.cache/chartreward/weights"),
    url: Annotated[str | None, typer.Option(help="A mirror; default: download.pytorch.org.")] = None,
    sha256: Annotated[
        str | None, typer.Option(help="What the file's sha256 must begin with (8 digits or more).")
    ] = None,
) -> None:
    """Fetch the checkpoint of BACKBONE, check its sha256, and print the setting that makes workers use it."""
    known = CHECKPOINTS.get(backbone)
    if known is None:
        raise CommandError(
            f"unknown backbone {backbone!r}; known: {', '.join(CHECKPOINTS)} (others: put the file in place yourself "
            "and name it in CHARTREWARD_WEIGHTS)"
        )
    source, wanted = url or known.url, (sha256 or known.sha256).lower()
    if len(wanted) < 8 or set(wanted) - set("0123456789abcdef"):
        raise CommandError("--sha256 takes 8 or more hex digits")
    folder = folder.expanduser()
    path = folder / f"{backbone}-{wanted[:8]}.pth"
    digest = _digest(path) if path.exists() else ""
    if not digest.startswith(wanted):
        folder.mkdir(parents=True, exist_ok=True)
        digest = _fetch(source, path, wanted)
    typer.echo(f"{path} (sha256 {digest})", err=True)
    setting = {backbone: {"path": str(path.resolve()), "sha256": digest}}
    typer.echo(f"CHARTREWARD_WEIGHTS='{json.dumps(setting)}'")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(url: str, path: Path, wanted: str) -> str:
    """Download beside `path`, move it there when its sha256 is right, and return that. Raises CommandError."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    digest = hashlib.sha256()
    try:
        with (
            httpx.stream("GET", url, follow_redirects=True, timeout=60) as answer,
            Progress(console=Console(stderr=True), transient=True) as progress,
            part.open("wb") as file,
        ):
            answer.raise_for_status()
            length = answer.headers.get("Content-Length", "")
            task = progress.add_task(path.name, total=int(length) if length.isdigit() else None)
            for block in answer.iter_bytes(1 << 20):
                digest.update(block)
                file.write(block)
                progress.advance(task, len(block))
                if file.tell() > LARGEST:
                    raise CommandError(f"{url} sends more than {LARGEST} bytes: not a checkpoint")
        if not digest.hexdigest().startswith(wanted):
            raise CommandError(
                f"{url} has sha256 {digest.hexdigest()}, not {wanted}...: a wrong or altered file; nothing was kept"
            )
        part.replace(path)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CommandError(
            f"cannot fetch {url}: {error or type(error).__name__}. Without a network: fetch it elsewhere, "
            f"put it at {path}, and run this again",
            ExitStatus.UNAVAILABLE,
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return digest.hexdigest()

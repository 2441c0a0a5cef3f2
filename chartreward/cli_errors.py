"""How a command ends: its exit status, and errors as one line on stderr instead of a traceback."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NoReturn

import httpx
import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from chartreward.embedded import StackError
from chartreward.errors import ChartRewardError, UnavailableError


class ExitStatus(IntEnum):
    """What `$?` says. Ctrl-C ends with 130, as the shell expects."""

    OK = 0
    FAILED = 1  # something given cannot be used (file, profile, key, setting), or this machine lacks something
    USAGE = 2  # the command line itself: unknown option, missing argument, no such file
    UNAVAILABLE = 3  # no answer, or no reward through no fault of the code: the same command may work later


class CommandError(Exception):
    """Ends the command with a message."""

    def __init__(self, message: str, status: ExitStatus = ExitStatus.FAILED) -> None:
        super().__init__(message)
        self.status = status


def fail(message: str, status: ExitStatus = ExitStatus.FAILED) -> NoReturn:
    """Say what went wrong and end."""
    typer.echo(message, err=True)
    raise typer.Exit(int(status))


class Commands(TyperGroup):
    """The root command: what its commands raise on purpose becomes a message and a status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except CommandError as error:
            fail(str(error), error.status)
        except UnavailableError as error:
            fail(str(error), ExitStatus.UNAVAILABLE)
        except httpx.UnsupportedProtocol as error:
            fail(f"not an http:// or https:// URL: {error}")
        except httpx.HTTPError as error:
            fail(_no_answer(error), ExitStatus.UNAVAILABLE)
        except (ChartRewardError, StackError) as error:
            fail(str(error))
        except ValidationError as error:
            fail(_fields(error))
        except (OSError, ValueError) as error:
            fail(f"{type(error).__name__}: {error}")
        except ModuleNotFoundError as error:
            fail(f"{error}: this command needs the repository's environment (make setup), not the client alone")


def _no_answer(error: httpx.HTTPError) -> str:
    try:
        where = f" from {error.request.url.copy_with(query=None)}"
    except RuntimeError:  # no request was made
        where = ""
    return f"no answer{where}: {error or type(error).__name__}"


def _fields(error: ValidationError) -> str:
    """Every wrong field on a line of its own, without pydantic's links; a setting by its variable."""
    is_setting = error.title.endswith("Settings")
    lines = [
        f"{_field(entry['loc'], is_setting) or error.title}: {entry['msg']}"
        for entry in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "\n".join(lines)


def _field(place: tuple[int | str, ...], is_setting: bool) -> str:
    first, *rest = map(str, place) if place else [""]
    return ".".join([f"CHARTREWARD_{first.upper()}" if is_setting and first else first, *rest])

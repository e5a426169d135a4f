"""How a command that calls a peer ends: its exit code, and one line that says why."""

import json
import sys
from collections.abc import Coroutine
from typing import NoReturn, TypeVar

import typer

from hilum.model.errors import HilumError
from hilum.service import loop

T = TypeVar("T")
FAILURE = 1  # the peer, or something here, failed
MISUSE = 2  # the command line, or the configuration, is wrong
NO_CONNECTION = 3  # the peer cannot be reached, or does not want the association


class NoConnection(Exception):
    """There was never an association; the text says why."""


class Misuse(Exception):
    """What was asked for cannot be asked for; the text says why."""


def end(code: int, *lines: str, as_json: bool = False) -> NoReturn:
    """Say what is wrong, one thing a line, and end."""
    if as_json:
        print(json.dumps({"ok": False, "error": "; ".join(lines)}))
    else:
        for line in lines:
            print(printable(line), file=sys.stderr)
    raise typer.Exit(code)


def run(work: Coroutine[None, None, T], *, as_json: bool = False) -> T:
    """What `work` gives, or the end with what went wrong."""
    try:
        return loop.run(work)
    except Misuse as error:
        end(MISUSE, str(error), as_json=as_json)
    except NoConnection as error:
        end(NO_CONNECTION, str(error), as_json=as_json)
    except HilumError as error:
        end(FAILURE, str(error), as_json=as_json)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        end(FAILURE, f"{where}{error.strerror or type(error).__name__}", as_json=as_json)


def printable(text: str) -> str:
    """What a peer or a file says, without what a terminal would take for a command."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)

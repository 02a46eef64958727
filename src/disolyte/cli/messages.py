"""Errors as people read them."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pymongo.errors import OperationFailure, PyMongoError
from rich.console import Console
from rich.text import Text

from disolyte.errors import DisolyteError

errors = Console(stderr=True)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Print errors that disolyte raises on purpose in one paragraph, and end with exit code 1."""
    try:
        yield
    except DisolyteError as error:
        _print_error(str(error))
        raise typer.Exit(1) from error
    except OperationFailure as error:
        _print_error(f"the database refused: {(error.details or {}).get('errmsg', 'no reason given')}")
        raise typer.Exit(1) from error
    except PyMongoError as error:
        _print_error("the database does not answer any more; finished work is kept, run the command again to go on")
        raise typer.Exit(1) from error
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except OSError as error:
        remedy = "free some space" if error.errno == errno.ENOSPC else "mend that"
        _print_error(f"{error}; {remedy} and run the command again: finished work is kept")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        errors.print("Stopped; finished work is kept. Run the same command again to go on.")
        raise typer.Exit(130) from None


def _print_error(message: str) -> None:
    errors.print(Text.assemble(("Error: ", "bold red"), message), soft_wrap=True)

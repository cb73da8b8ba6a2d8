"""What a command says when SIGTERM or Ctrl-C ends it."""

import contextlib
import functools
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from mmkeras import stopping
from mmkeras.escaping import say

# Begins anew whatever there is; not to be said again once that is done.
ANEW = "--restart"
# What stands behind `mmkeras`, of the command that runs.
_given: list[str] = []


@contextlib.contextmanager
def running(given: Sequence[str]) -> Iterator[None]:
    """Watches for signals while a command runs; remembers its arguments."""
    _given[:] = given
    with stopping.watching():
        yield


def stoppable(kept: str, goes_on: bool = True) -> Callable:
    """Decorates a command: ended by a signal, it says how to go on.

    Args:
        kept: What there is then, as part of a sentence.
        goes_on: Whether the same command goes on; otherwise it starts anew.
    """

    def decorate(command: Callable) -> Callable:
        @functools.wraps(command)
        def run(*arguments: Any, **options: Any) -> Any:
            try:
                return command(*arguments, **options)
            except KeyboardInterrupt as error:
                found = getattr(error, "kept", None) or kept
                verb = "goes on" if goes_on else "starts anew"
                # A terminal that was closed takes no words.
                with contextlib.suppress(OSError):
                    say("", f"stopped: {found}; this command {verb}:",
                        file=sys.stderr)  # fmt: skip
                    # As it is: what a shell takes is escaped by quotes.
                    print(command_line(), file=sys.stderr)
                raise typer.Exit(stopping.exit_code(error)) from None

        return run

    return decorate


def command_line() -> str:
    """Returns the command that goes on, as a shell takes it."""
    given = _given
    if stopping.began_anew():
        given = [each for each in given if each != ANEW]
    return shlex.join([*_program(), *given])


def _program() -> list[str]:
    """Returns how this program is started."""
    program = Path(sys.argv[0])
    if program.name != "mmkeras":
        # It was started as a module.
        return [sys.executable, "-m", "mmkeras.cli"]
    found = shutil.which(program.name)
    if found and program.exists() and os.path.samefile(found, program):
        return [program.name]
    return [str(program)] if program.exists() else [program.name]

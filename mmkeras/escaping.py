"""Texts of strangers: what a terminal or a spreadsheet may be shown.

Names come from specs, manifests and tables that somebody else may have
written. Here alone is decided what of them reaches a terminal (`say`) and a
CSV that people open (`cell`, by `artefact.write_csv`); pages are escaped by
their templates. The runner, which has none of this package, says the same in
`export/run.py`.
"""

import contextlib
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

# What a spreadsheet takes for the start of a formula, wide forms too; it
# passes over blanks before it. A double quote may end with what it is cut at.
FORMULA = re.compile(r"""['"\s]*[=+\-@＝＋－＠]""")
# What would be read as an escaped character, though it is none.
ESCAPED = re.compile(r"\\[\\tnrxuU]")


def printable(text: Any) -> str:
    """Returns a text with every character that steers a terminal spelled out.

    Line feeds are such characters too: a name cannot begin a line.

    Example:

    >>> printable("red\\x1b[31m")
    'red\\\\x1b[31m'
    """
    return "".join(c if c.isprintable() else _spelled(c) for c in str(text))


def say(*lines: Any, file: TextIO | None = None) -> None:
    """Prints lines, each of which stays one whatever names it holds.

    Args:
        *lines: What is printed, a line each.
        file: Where to; standard output by default.

    Example:

    >>> say("two", "lines")
    two
    lines
    """
    file = sys.stdout if file is None else file
    print(*map(printable, lines), sep="\n", file=file, flush=True)


def complain(message: str) -> None:
    """Prints an error to standard error.

    It may have several lines; all but the first are indented, so that none
    can be taken for something else that a command says.
    """
    first, *more = message.split("\n")
    more = [line if line.startswith("  ") else f"  {line}" for line in more]
    say(f"error: {first}", *more, file=sys.stderr)


@contextlib.contextmanager
def warnings_said() -> Iterator[None]:
    """Prints warnings as a command says things: no file, no line of code."""
    before = warnings.showwarning

    def show(message, category, filename, lineno, file=None, line=None):
        say(f"warning: {message}", file=sys.stderr)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def cell(value: str) -> str:
    """Returns `value` such that no spreadsheet or terminal acts on it.

    Two values that differ still do. A part behind a semicolon counts as a
    cell: where a comma is the decimal point, spreadsheets cut there.

    Example:

    >>> cell("=cmd()"), cell("a; =cmd()")
    ("'=cmd()", "a;' =cmd()")
    """
    text = value
    if not value.isprintable() or ESCAPED.search(value):
        text = "".join(
            c if c.isprintable() and c != "\\" else _spelled(c) for c in value
        )
    parts = text.split(";")
    return ";".join(f"'{p}" if FORMULA.match(p) else p for p in parts)


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode()

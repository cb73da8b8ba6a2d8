"""Whether the disk has room, told in one line."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mmkeras.artefact.files import Unwritable, free_bytes


class NoRoom(OSError):
    """The disk has less room than is needed."""

    def __init__(self, path, what, needed, advice=""):
        super().__init__(
            f"`{path}` must have room for {what}. Received: {needed:,} bytes "
            f"needed, {free_bytes(path):,} bytes available{advice}"
        )
        self.needed = needed


class Told(OSError):
    """What `writing` made of an error; it is told once."""


def check_room(
    path: str | Path, what: str, needed: int, advice: str = ""
) -> None:
    """Raises `NoRoom`, an OSError, unless `needed` bytes are free.

    Args:
        path: Where they are to be written, there or not.
        what: What they are, for the message.
        needed: How many.
        advice: What the message ends with.
    """
    if free_bytes(path) < needed:
        raise NoRoom(path, what, needed, advice)


@contextlib.contextmanager
def writing(out: str | Path, what: str) -> Iterator[None]:
    """Turns an error of the file system into one line about `out`.

    Args:
        out: What is written, as the user called it.
        what: What it holds, for the message.
    """
    try:
        yield
    except NoRoom as error:
        raise NoRoom(out, what, error.needed) from None
    except Told:
        raise
    except Unwritable as error:
        raise Told(
            f"`{out}` must be writable, with room for {what}. Received: "
            f"{error.reason}, at `{error.path}`; {error.needed:,} bytes "
            f"needed, {free_bytes(out):,} bytes are free there"
        ) from error
    except OSError as error:
        raise Told(
            f"`{out}` must be writable, with room for {what}. Received: "
            f"{error.strerror or error}; {free_bytes(out):,} bytes are free "
            "there"
        ) from error

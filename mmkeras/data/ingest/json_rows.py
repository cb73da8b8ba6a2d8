"""Rows of a JSON file, one after the other, whatever its size."""

import json
from collections.abc import Iterator
from typing import Any, TextIO

# Characters that are read at once of a list.
PART = 2**18
# A number stays as it is written: 007 digits, 0.10 cents, long ids.
DECODER = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=lambda _: None
)


def json_lines(text: TextIO) -> Iterator[Any]:
    """Yields the value of each line that is not empty.

    Raises:
        ValueError: If a line is no JSON.
    """
    for number, line in enumerate(text, 1):
        if line.strip():
            try:
                yield DECODER.decode(line)
            except ValueError as error:
                raise ValueError(f"line {number} is no JSON: {error}") from None


def json_array(text: TextIO) -> Iterator[Any]:
    """Yields the values of a list, of which a part is in memory.

    Raises:
        ValueError: If it is no JSON.
    """
    rest = _Rest(text)
    rest.take("[")
    if rest.next() == "]":
        rest.take("]")
    else:
        yield rest.value()
        while rest.take(",]") == ",":
            yield rest.value()
    if found := rest.next():
        raise ValueError(f"no JSON: {found!r} after the end of the list")


class _Rest:
    """What is left of a text; its start is in memory."""

    def __init__(self, text: TextIO) -> None:
        self.text, self.part, self.place = text, "", 0
        self.count = 0

    def more(self, size: int = PART) -> bool:
        """Reads on; returns whether there was anything."""
        found = self.text.read(size)
        self.part, self.place = self.part[self.place :] + found, 0
        return bool(found)

    def next(self) -> str:
        """Returns the next character that is no space; "" at the end."""
        while True:
            while self.part[self.place : self.place + 1] in tuple(" \t\r\n"):
                self.place += 1
            if self.place < len(self.part) or not self.more():
                return self.part[self.place : self.place + 1]

    def take(self, wanted: str) -> str:
        """Returns the next character, which must be one of those."""
        found = self.next()
        if not found or found not in wanted:
            expected = " or ".join(map(repr, wanted))
            raise ValueError(
                f"no JSON: {expected} must follow value {self.count} of the "
                f"list, not {found or 'the end'!r}"
            )
        self.place += 1
        return found

    def value(self) -> Any:
        """Returns the next value."""
        self.next()
        while True:
            try:
                found, end = DECODER.raw_decode(self.part, self.place)
            except ValueError as error:
                # Cut off, or wrong; twice as much each time tells soon.
                if not self.more(max(PART, len(self.part))):
                    raise ValueError(
                        f"value {self.count + 1} is no JSON: {error}"
                    ) from None
                continue
            # A number may go on in what is not read yet.
            if end < len(self.part) or not self.more():
                self.place, self.count = end, self.count + 1
                return found

"""Samples in lines of JSON, an object by modality in each.

A line is read only as far as the model could use it, and one that is wrong
leaves the next as it is.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
from validation import refuse

# Characters of a number, with what stands around it; of texts and paths.
NUMBER_BYTES, TEXT_BYTES = 40, 4_000_000


def requests(runner, file: BinaryIO) -> Iterator[tuple[dict, Callable]]:
    """Yields the beginning of each answer, and what reads its sample."""
    start, number, limit = time.monotonic(), 0, longest(runner)
    while raw := file.readline(limit + 1):
        number += 1
        whole = len(raw) <= limit
        while len(raw) > limit and not raw.endswith(b"\n"):
            raw = file.readline(limit + 1)
        if whole and not raw.strip():
            continue
        now = round(time.monotonic() - start, 3)
        text = raw if whole else None
        yield (
            {"line": number, "time_sec": now},
            lambda text=text: parse(runner, text, limit),
        )


def longest(runner) -> int:
    """Returns the bytes that a line may have."""
    sizes = (math.prod(entry["shape"]) for entry in runner.inputs.values())
    return TEXT_BYTES + NUMBER_BYTES * sum(sizes)


class Row(dict):
    """Inputs by modality, with where they came from, as answers tell it."""

    placed: dict = {}


def parse(runner, line: bytes | None, limit: int) -> Row:
    """Returns the inputs that one line of JSON holds; None is a longer one."""
    if line is None:
        refuse("A line", f"of at most {limit:,} bytes", "more")
    text = line.decode("utf-8-sig")
    table = json.loads(text, object_pairs_hook=unique)
    if not isinstance(table, dict) or set(table) - set(runner.inputs):
        names = list(runner.inputs)
        refuse("A line", f"an object of {names}", text.strip()[:80])
    row = Row()
    for name, value in table.items():
        if isinstance(value, str):
            row[name] = runner.read(name, value)
        elif value is None:
            row[name] = None
        else:
            row[name] = array_of(name, value, runner.inputs[name]["dtype"])
    texts = {n: value for n, value in table.items() if isinstance(value, str)}
    row.placed = runner.placed(texts)
    return row


def unique(pairs: list[tuple]) -> dict:
    """Returns an object of JSON, which must not have a key twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        refuse("Keys", "given once", [name[:80] for name, _ in pairs][:20])
    return found


def array_of(name: str, value: object, dtype: str) -> np.ndarray:
    """Returns the array that lists of numbers are."""
    if not all(type(part) in (int, float) for part in leaves(value)):
        # A text such as "1", true and null would count as numbers too.
        refuse(f"`{name}`", "an array of numbers", str(value)[:80])
    try:
        given = np.array(value, np.float64)
    except (ValueError, OverflowError) as error:
        refuse(f"`{name}`", "an array of numbers", error)
    with np.errstate(all="ignore"):  # what does not fit is refused further on
        array = given.astype(dtype)
    if array.dtype.kind != "f" and (array != given).any():
        refuse(f"`{name}`", f"whole numbers of {dtype}", str(value)[:80])
    return array


def leaves(value: object) -> Iterator[object]:
    """Yields what is no list in lists of lists."""
    if not isinstance(value, list):
        yield value
        return
    for part in value:
        yield from leaves(part)

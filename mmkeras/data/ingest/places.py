"""Where each sample lies: an index of all shards, by id."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from mmkeras.artefact import write_text

PLACES = "samples.csv"
HEADER = ("id", "shard", "offset", "bytes", "place")
# Place of a sample that was left out.
NOWHERE = (-1, 0, 0)


def write_places(folder: Path, shards: Iterable[dict]) -> str:
    """Writes the index of shards; returns the name of its file.

    Args:
        folder: Where it is written.
        shards: What `build_shard` returned.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for shard in shards:
        for name, *place in shard["samples"]:
            writer.writerow([name, shard["file"], *place])
    write_text(folder / PLACES, text.getvalue())
    return PLACES


def counts_of(folder: Path) -> dict[str, int]:
    """Returns how many samples each shard holds, by the index.

    Raises:
        ValueError: If it is no index.
    """
    path = folder / PLACES
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            if header != list(HEADER):
                raise ValueError(f"the columns {header}")
            # One by one, for there may be millions.
            found = Counter(row[1] for row in rows if int(row[2]) >= 0)
    except (ValueError, IndexError, csv.Error) as error:
        raise ValueError(
            f"`{path}` must be an index that prepare wrote. Received: {error}"
        ) from None
    return dict(found)


def read_places(folder: Path) -> dict[str, list[list]]:
    """Returns, by shard, its samples as `build_shard` does."""
    found: dict[str, list[list]] = {}
    with open(folder / PLACES, encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for name, shard, *place in rows:
            found.setdefault(shard, []).append([name, *map(int, place)])
    return found

"""The files that `docs/own_kind.md` shows, and data for them."""

import csv
import re
from pathlib import Path

import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "own_kind.md"
# What is defined; a spec and a recipe define nothing.
DEFINITIONS = (
    "clouds.py",
    "clouds_layers.py",
    "points_device.py",
    "direction_device.py",
)
SAMPLES = 240
BROKEN = {3: "1 2\n", 5: "no numbers here\n"}


def files() -> dict[str, str]:
    """Returns the content of each file that the page shows, by its name.

    The name stands before a block; a second block of a name goes on.
    """
    found: dict[str, str] = {}
    block = re.compile(r"`([\w.]+)`:\n\n```\w+\n(.*?)```", re.S)
    for name, text in block.findall(PAGE.read_text(encoding="utf-8")):
        found[name] = f"{found[name]}\n\n{text}" if name in found else text
    return found


def commands() -> list[list[str]]:
    """Returns the commands that the page shows, in words."""
    block = re.search(r"```console\n(.*?)```", PAGE.read_text(), re.S)
    return [line.split() for line in block.group(1).splitlines()]


def last_python() -> str:
    """Returns the last block of Python of the page."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)[-1]


def write_all(folder: Path) -> dict[str, float]:
    """Writes the page's files and data; returns the true degrees by id."""
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")
    draw = np.random.default_rng(0)
    headings, rows = {}, []
    for index in range(SAMPLES):
        degrees = draw.uniform(0, 360)
        name = f"cloud_{index}.xyz"
        text = BROKEN.get(index) or cloud(draw, degrees)
        (folder / name).write_text(text)
        headings[f"s{index}"] = degrees
        rows.append(
            (f"s{index}", name, *wind(draw, index), label(index, degrees))
        )
    with open(folder / "clouds.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("id", "file", "east", "north", "heading"))
        out.writerows(rows)
    return headings


def cloud(draw: np.random.Generator, degrees: float) -> str:
    """Returns a cloud that is long in one direction, as the text of a file."""
    turn = np.radians(degrees)
    along = np.array([np.cos(turn), np.sin(turn), 0])
    points = draw.uniform(0, 1, (draw.integers(20, 90), 1)) * along
    points += 0.15 * draw.normal(size=points.shape)
    return "".join("%.4f %.4f %.4f\n" % tuple(point) for point in points)


def wind(draw: np.random.Generator, index: int) -> tuple:
    """Returns two cells that tell nothing; some are empty."""
    numbers = draw.normal(size=2).round(3).tolist()
    return ("", "") if index % 7 == 0 else tuple(numbers)


def label(index: int, degrees: float) -> str:
    """Returns the cell of the label; some are empty."""
    return "" if index % 11 == 4 else f"{degrees:.1f}"

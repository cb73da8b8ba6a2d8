"""Builds bccd: pictures of blood, with a box around each cell.

The boxes are Pascal VOC files, which the spec reads as they are. Beside them
stands how many red cells a picture has, for a model that counts as well. The
split is that of the original.
"""

import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import builder

PICTURES = 364
SPLITS = {"train": "train", "val": "validation", "test": "test"}
COUNTED = "RBC"


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of samples."""
    for name in ("images", "boxes"):
        (folder / name).mkdir()
    rows = []
    for name, split in read_splits(source).items():
        boxes = source / "Annotations" / f"{name}.xml"
        rows.append(
            {
                "id": name,
                "image": f"images/{name}.jpg",
                "boxes": f"boxes/{name}.xml",
                "red_cells": count_of(boxes),
                "split": split,
            }
        )
        picture = source / "JPEGImages" / f"{name}.jpg"
        shutil.copyfile(picture, folder / "images" / f"{name}.jpg")
        shutil.copyfile(boxes, folder / "boxes" / f"{name}.xml")
    return builder.write_manifest(folder, rows)


def read_splits(source: Path) -> dict[str, str]:
    """Returns the split of each picture, by its name, sorted."""
    found = {}
    for original, split in SPLITS.items():
        path = source / "ImageSets" / "Main" / f"{original}.txt"
        if not path.is_file():
            raise ValueError(
                f"`{source}` must be BCCD, with {path.relative_to(source)}. "
                "Received: a folder without it"
            )
        found |= dict.fromkeys(path.read_text("utf-8").split(), split)
    if len(found) != PICTURES:
        raise ValueError(
            f"`{source}` must hold the {PICTURES} pictures of BCCD. "
            f"Received: lists of {len(found)}"
        )
    return dict(sorted(found.items()))


def count_of(boxes: Path) -> int:
    """Returns how many red cells a file of boxes has."""
    names = ElementTree.parse(boxes).getroot().iterfind("object/name")
    return sum(name.text == COUNTED for name in names)


BUILDER = builder.Builder(
    name="bccd",
    source="BCCD as it is on GitHub, with Annotations, ImageSets, JPEGImages",
    home="https://github.com/Shenggan/BCCD_Dataset",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))

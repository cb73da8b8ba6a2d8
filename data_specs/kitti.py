"""Builds kitti: road users seen by a camera and a lidar, with a box each.

The three classes of the benchmark keep their boxes; all else that is labelled
(vans, trucks, trams, sitting people, regions that nobody looked at) is left
out and counted, a column each. Frames of one drive are alike, so the devkit's
mapping tells which drive a frame is of. Large files are linked where that can
be done, not copied.
"""

import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import builder

# Folders of the distribution, and endings of their files.
PARTS = {"image_2": "png", "velodyne": "bin", "label_2": "txt"}
CLASSES = ("Car", "Pedestrian", "Cyclist")
OTHERS = ("Van", "Truck", "Person_sitting", "Tram", "Misc", "DontCare")
# Of a line: type, truncation, occlusion, angle, box, size, place, turn.
FIELDS = 15
BOX, AHEAD_M = slice(4, 8), 13


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of samples."""
    labels = sorted((source / "training" / "label_2").glob("*.txt"))
    if not labels:
        raise ValueError(
            f"`{source}` must hold KITTI's training/label_2, with a file a "
            "frame. Received: a folder without them"
        )
    drives = read_drives(source / "mapping")
    for part in ("camera", "lidar"):
        (folder / part).mkdir()
    rows = [_write(source, folder, path.stem, drives) for path in labels]
    return builder.write_manifest(folder, rows)


def _write(source: Path, folder: Path, name: str, drives: list[str]) -> dict:
    paths = {
        part: source / "training" / part / f"{name}.{ending}"
        for part, ending in PARTS.items()
    }
    if not name.isdecimal() or int(name) >= len(drives):
        raise ValueError(
            f"`mapping/train_rand.txt` must tell of every frame. Received: "
            f"{len(drives):,} of them, and {paths['label_2'].name}"
        )
    row = {"id": name, "drive": drives[int(name)]}
    for column, part in (("camera", "image_2"), ("lidar", "velodyne")):
        kept = folder / column / paths[part].name
        # A frame may lack the scan, which is 13 GB of all of them.
        row[column] = f"{column}/{kept.name}" if paths[part].exists() else ""
        if row[column]:
            link(paths[part], kept)
    return {**row, **read_label(paths["label_2"])}


def read_drives(folder: Path) -> list[str]:
    """Returns the drive of each frame, from the devkit's mapping.

    `train_mapping.txt` has a line a frame, date and drive first, and
    `train_rand.txt` tells which of its lines, from 1, each frame is.
    """
    try:
        lines = (folder / "train_mapping.txt").read_text("utf-8").splitlines()
        order = (folder / "train_rand.txt").read_text("utf-8").split(",")
        return [lines[int(place) - 1].split()[1] for place in order]
    except (OSError, ValueError, IndexError) as error:
        raise ValueError(
            f"`{folder}` must be the devkit's, with train_mapping.txt and "
            f"train_rand.txt. Received: {error}"
        ) from None


def read_label(path: Path) -> dict[str, object]:
    """Returns boxes as JSON, how near the nearest is, and what is left out."""
    boxes, near_m, left_out = [], [], Counter()
    for line in path.read_text("utf-8").splitlines():
        name, *numbers = line.split()
        known = name in CLASSES or name in OTHERS
        try:
            values = [float(number) for number in numbers]
        except ValueError:
            values = []
        if not known or len(values) != FIELDS - 1:
            raise ValueError(
                f"`{path.name}` must have lines of a class and "
                f"{FIELDS - 1} numbers. Received: {line[:80]!r}"
            )
        if name in OTHERS:
            left_out[name] += 1
            continue
        # Numbers begin behind the name.
        boxes.append([name, *values[BOX.start - 1 : BOX.stop - 1]])
        near_m.append(values[AHEAD_M - 1])
    return {
        "boxes": json.dumps(boxes),
        # Nothing ahead: there is no distance to be told.
        "nearest_m": f"{min(near_m):.2f}" if near_m else "",
        **{f"without_{name.lower()}": left_out[name] for name in OTHERS},
    }


def link(source: Path, target: Path) -> None:
    """Links a file where both are on one disk, and copies it elsewhere."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


BUILDER = builder.Builder(
    name="kitti",
    source=(
        "training/ of KITTI's object benchmark (image_2, label_2, velodyne) "
        "and mapping/ of its devkit"
    ),
    home="https://www.cvlibs.net/datasets/kitti/eval_object.php",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))

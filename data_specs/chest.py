"""Builds chest: X-rays with notes, few laboratory values, lungs marked.

The original table has a row an image; it is kept, with an id. The finding is
told as COVID-19 or other, since the others are few each. Boxes of the lungs
become JSON, `[[label, x0, y0, x1, y1], ...]` in pixels of the picture.
"""

import json
import shutil
import sys
from pathlib import Path

import builder

COVID = "COVID-19"
KEPT = (
    "patient", "offset_days", "sex", "age_years", "view", "survival",
    "temperature_c", "po2_saturation", "neutrophil_count", "lymphocyte_count",
    "notes", "licence", "doi",
)  # fmt: skip
NEEDED = {*KEPT, "image", "finding", "mask", "lung_boxes_xywh"}


def build(source: Path, folder: Path) -> int:
    """Writes the files and the manifest; returns the number of samples."""
    rows = []
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for row in builder.read_table(source / "samples.csv", NEEDED):
        for name in filter(None, (row["image"], row["mask"])):
            copy(source, folder, name)
        finding = row["finding"]
        rows.append(
            {
                "id": Path(row["image"]).stem,
                "image": row["image"],
                "mask": row["mask"],
                "finding": COVID if finding == COVID else "other",
                "boxes": boxes_of(row["lung_boxes_xywh"]),
                **{key: row[key] for key in KEPT},
            }
        )
    return builder.write_manifest(folder, rows)


def copy(source: Path, folder: Path, name: str) -> None:
    """Copies a picture or a mask; its name must stay inside."""
    if Path(name).parent.name not in ("images", "masks") or ".." in name:
        raise ValueError(
            "`samples.csv` must name files of images/ and masks/. Received: "
            f"{name!r}"
        )
    shutil.copyfile(source / name, folder / name)


def boxes_of(cell: str) -> str:
    """Returns boxes as JSON, from `label:x,y,width,height;...`."""
    found = []
    for part in filter(None, cell.split(";")):
        label, _, numbers = part.rpartition(":")
        try:
            x, y, width, height = (float(n) for n in numbers.split(","))
        except ValueError:
            raise ValueError(
                "Boxes must be told as `label:x,y,width,height`. Received: "
                f"{part!r}"
            ) from None
        edges = [x, y, x + width, y + height]
        found.append([label, *(round(n, 1) for n in edges)])
    return json.dumps(found) if found else ""


BUILDER = builder.Builder(
    name="chest",
    source="samples.csv, and images/ and masks/, which it names",
    home="https://github.com/ieee8023/covid-chestxray-dataset",
    build=build,
)

if __name__ == "__main__":
    sys.exit(builder.main(BUILDER))

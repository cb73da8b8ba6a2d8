"""Reads boxes: written in a cell, Pascal VOC files, a COCO file."""

import functools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np

from mmkeras.data import BadSample, Reason, guarded
from mmkeras.kinds.boxes import Boxes
from mmkeras.spec import Label

# Of one picture, in a file of its own.
MAX_VOC_BYTES = 4_000_000
# Corners may lie so far outside by rounding, and are no news then.
ROUNDED_PIXELS = 1.5

# Name, then left, top, right, bottom.
Named = tuple[str, list[float]]


def source_files(boxes: Boxes, cells: Mapping[str, str]) -> tuple[str, ...]:
    cell = cells[boxes.column].strip()
    if boxes.coco is not None:
        return (boxes.coco,)
    return (cell,) if cell.lower().endswith(".xml") else ()


def read(
    boxes: Boxes, cells: Mapping[str, str], io: Any, samples: Mapping[str, Any]
) -> Label:
    """Returns `(max_boxes, 5)` boxes in shares of the picture as stored."""
    none = np.tile(np.float32([0, 0, 0, 0, -1]), (boxes.max_boxes, 1))
    if boxes.modality not in samples:
        return Label(none, 0.0, {"without_picture": 1})
    geometry = samples[boxes.modality].geometry
    cell = cells[boxes.column].strip()
    if boxes.coco is not None:
        named, size, notes = _coco(boxes, cell, io)
    elif cell.lower().endswith(".xml"):
        named, size, notes = _voc(io, cell)
    elif cell.startswith("["):
        named, size, notes = _json(cell), None, {}
    else:
        named, size, notes = _written(cell), None, {}
    places = {name: place for place, name in enumerate(boxes.classes)}
    rows = []
    for name, corners in named:
        if name not in places:
            raise BadSample(Reason.UNKNOWN_CLASS, repr(name)[:80])
        rows.append([*corners, places[name]])
    found = np.array(rows, float).reshape(-1, 5)
    found, more = _placed(boxes, found, size, geometry)
    notes = {**notes, **more}
    if len(found) > boxes.max_boxes:
        notes["boxes_left_out"] = len(found) - boxes.max_boxes
        areas = np.prod(found[:, 2:4] - found[:, :2], axis=1)
        kept = np.sort(np.argsort(-areas, kind="stable")[: boxes.max_boxes])
        found = found[kept]
    none[: len(found)] = found
    return Label(none, 1.0, {key: n for key, n in notes.items() if n})


def sums(boxes: Boxes, label: Label) -> dict[str, Any]:
    there = label.value[label.value[:, 4] >= 0, 4].astype(int)
    counts = np.bincount(there, minlength=len(boxes.classes))
    return {"pictures": 1, "boxes": counts.tolist()}


def finish(boxes: Boxes, found: dict[str, Any] | None) -> dict[str, Any]:
    counts = found["boxes"] if found else [0] * len(boxes.classes)
    named = zip(boxes.classes, counts, strict=True)
    return {
        "pictures": found["pictures"] if found else 0,
        "boxes": {name: int(count) for name, count in named},
    }


def _placed(
    boxes: Boxes, found: np.ndarray, size: tuple | None, geometry: Any
) -> tuple[np.ndarray, dict[str, int]]:
    """Returns boxes in shares of what is stored, and what was cut."""
    upright = np.array(geometry.size, float)
    if boxes.unit == "share" and size is None:
        found[:, :4] *= np.tile(upright, 2)
        size = geometry.size
    corners = found[:, :4].reshape(-1, 2, 2)
    seen = upright
    if size is not None and tuple(size) != tuple(geometry.size):
        if tuple(size) != tuple(geometry.file_size):
            raise BadSample(
                Reason.WRONG_SIZE,
                f"boxes for a picture of {size[0]}x{size[1]}, not "
                f"{geometry.size[0]}x{geometry.size[1]}",
            )
        seen = np.array(size, float)
    notes = _check_inside(found, seen)
    corners = np.clip(corners, 0, seen)
    if seen is not upright:
        # Told as the file lies, which viewers turn.
        corners = np.sort(geometry.upright(corners), axis=1)
    stored = geometry.to_stored(corners) / np.array(geometry.stored)
    kept = np.clip(stored, 0, 1)
    solid = (kept[:, 1] - kept[:, 0]).min(axis=1, initial=1) > 1e-6
    notes["boxes_cut_away"] = int((~solid).sum())
    found = np.concatenate([kept.reshape(-1, 4), found[:, 4:]], axis=1)
    return found[solid], notes


def _check_inside(found: np.ndarray, size: np.ndarray) -> dict[str, int]:
    """Refuses boxes of no area or outside; counts those that reach out."""
    low, high = found[:, :2], found[:, 2:4]
    for row in found[(high <= low).any(axis=1)]:
        raise BadSample(Reason.BOX_EMPTY, _told(row))
    for row in found[((high <= 0) | (low >= size)).any(axis=1)]:
        raise BadSample(
            Reason.BOX_OUTSIDE,
            f"{_told(row)} of a picture of {size[0]:g}x{size[1]:g}",
        )
    out = (low < -ROUNDED_PIXELS) | (high > size + ROUNDED_PIXELS)
    return {"boxes_clipped": int(out.any(axis=1).sum())}


def _told(row: np.ndarray) -> str:
    return "a box from ({:g}, {:g}) to ({:g}, {:g})".format(*row[:4])


def _numbers(texts: Sequence[Any], where: str) -> list[float]:
    try:
        found = [float(text) for text in texts]
    except (TypeError, ValueError):
        raise BadSample(Reason.NOT_A_NUMBER, where[:80]) from None
    if not all(map(math.isfinite, found)):
        raise BadSample(Reason.NOT_FINITE, where[:80])
    return found


def _written(cell: str) -> list[Named]:
    """Reads `name:x,y,width,height;...`."""
    found = []
    for part in filter(None, map(str.strip, cell.split(";"))):
        name, colon, rest = part.rpartition(":")
        numbers = rest.split(",")
        if not colon or len(numbers) != 4:
            raise BadSample(
                Reason.WRONG_FORMAT,
                f"{part[:80]!r}, not `name:x,y,width,height`",
            )
        x, y, width, height = _numbers(numbers, repr(part))
        found.append((name.strip(), [x, y, x + width, y + height]))
    return found


def _json(cell: str) -> list[Named]:
    """Reads `[["name", left, top, right, bottom], ...]`."""
    with guarded(Reason.CORRUPT, f"{cell[:80]!r}"):
        rows = json.loads(cell)
    found = []
    for row in rows:
        named = isinstance(row, list) and len(row) == 5
        if not named or not isinstance(row[0], str):
            raise BadSample(
                Reason.WRONG_FORMAT,
                f"{str(row)[:80]!r}, not `[name, left, top, right, bottom]`",
            )
        found.append((row[0].strip(), _numbers(row[1:], repr(row))))
    return found


def _voc(io: Any, path: str) -> tuple[list[Named], tuple | None, dict]:
    """Reads a Pascal VOC file; its first pixel is at 1."""
    raw = io.bytes(path)
    if len(raw) > MAX_VOC_BYTES:
        raise BadSample(Reason.TOO_LARGE, f"{path!r}")
    if b"<!ENTITY" in raw or b"<!DOCTYPE" in raw:
        raise BadSample(Reason.WRONG_FORMAT, f"{path!r}: it declares entities")
    with guarded(Reason.CORRUPT, f"{path!r}"):
        root = ElementTree.fromstring(raw)
    if root.tag != "annotation":
        raise BadSample(Reason.WRONG_FORMAT, f"{path!r}: no <annotation>")
    found = []
    for one in root.iter("object"):
        keys = ("xmin", "ymin", "xmax", "ymax")
        corners = _numbers(
            [one.findtext(f"bndbox/{key}") for key in keys],
            f"{path!r}: a <bndbox>",
        )
        name = (one.findtext("name") or "").strip()
        # Its pixels are counted from 1, the last one included.
        found.append((name, [corners[0] - 1, corners[1] - 1, *corners[2:]]))
    texts = [root.findtext(f"size/{key}") for key in ("width", "height")]
    size = None
    if all(text and text.strip().isdigit() and int(text) for text in texts):
        size = tuple(int(text) for text in texts)
    return found, size, {}


def _coco(boxes: Boxes, name: str, io: Any) -> tuple[list[Named], tuple, dict]:
    """Looks a picture up in a COCO file, by its name or the end of its path."""
    known = _coco_file(io.bytes(boxes.coco), boxes.coco)
    found = known.get(name) or known.get(name.rpartition("/")[2])
    if found is None:
        raise BadSample(Reason.NOT_FOUND, f"{name!r} in {boxes.coco!r}")
    size, named, crowds = found
    return named, size, {"crowds_left_out": crowds}


# A worker reads one file for all its samples.
@functools.lru_cache(maxsize=2)
def _coco_file(raw: bytes, path: str) -> dict[str, tuple]:
    """Returns size, boxes and crowds by the name of the picture."""
    with guarded(Reason.CORRUPT, f"{path!r}"):
        table = json.loads(raw)
        names = {one["id"]: str(one["name"]) for one in table["categories"]}
        known = {
            one["id"]: (
                str(one["file_name"]),
                (int(one["width"]), int(one["height"])),
                [],
                [],
            )
            for one in table["images"]
        }
        for one in table["annotations"]:
            _, _, named, crowds = known[one["image_id"]]
            if one.get("iscrowd"):
                crowds.append(one)
                continue
            x, y, width, height = _numbers(one["bbox"], f"{path!r}: a bbox")
            corners = [x, y, x + width, y + height]
            named.append((names[one["category_id"]], corners))
    found = {}
    for name, size, named, crowds in known.values():
        entry = (size, named, len(crowds))
        found[name] = entry
        found.setdefault(name.rpartition("/")[2], entry)
    return found

"""Labels that are read with samples, as `prepare` reads them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmkeras.data import (
    SampleIO,
    SampleReader,
    learn_from,
    open_learned,
    read_label,
)
from mmkeras.spec import DataSpec, Label, Modality, Target


def read_beside(
    target: Target,
    rows: Sequence[Mapping[str, str]],
    root: Path,
    beside: Mapping[str, Modality],
) -> list[Label]:
    """Returns the label of each row.

    Args:
        target: A kind that is `read_with_sample`.
        rows: Rows of a manifest, by column.
        root: Folder of the files that they name.
        beside: Modalities that it is read with, by name.
    """
    if lacking := sorted({*target.reads_with} - {*beside}):
        raise ValueError(
            "`beside` must hold the modalities that the kind is read with. "
            f"Received: none of the name {lacking[0]!r}"
        )
    if not beside:
        io = SampleIO(str(root), learned={})
        return [read_label(target, cells, io, {}) for cells in rows]
    spec = DataSpec.model_validate(
        {"name": "toy", "modalities": beside, "targets": {"target": target}}
    )
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    learned = open_learned(spec, learn_from(spec, root, columns))
    reader = SampleReader(spec, str(root), learned=learned)
    found = []
    for place, cells in enumerate(rows):
        row = {"id": str(place), "cells": cells}
        samples = {name: reader.read(name, row) for name in beside}
        found.append(reader.label("target", row, samples))
    return found

"""The labels that a prepared folder holds, as the rows of a table.

Data that came from a DataFrame, a folder of classes or arrays have no
manifest file; the folder knows their samples.
"""

from pathlib import Path

import numpy as np

from mmkeras.spec import DataSpec
from mmkeras.studies.data_report import PreparedSamples

ROW = "row"


def labels_of_folder(
    folder: Path,
) -> tuple[DataSpec, list[str], list[list[str]]]:
    """Returns the spec of a prepared folder, a header, and a row a sample.

    The first column is the sample's id: `data.id_column`, or else `row`, its
    number among the rows that were prepared, in whose order they are then.
    Samples that were left out have no row.

    Args:
        folder: Folder that `prepare` wrote.
    """
    samples = PreparedSamples(folder)
    spec = samples.spec
    columns = list(dict.fromkeys(t.column for t in spec.targets.values()))
    rows = []
    for seen in samples:
        cells = dict.fromkeys(columns, "")
        for name, target in spec.targets.items():
            label, weight = seen.labels[name]
            if np.any(weight > 0):
                cells[target.column] = target.label_cell(label, weight)
        rows.append([seen.id, *cells.values()])
    if spec.data.id_column is None:
        rows.sort(key=lambda row: int(row[0]))
    return spec, [spec.data.id_column or ROW, *columns], rows

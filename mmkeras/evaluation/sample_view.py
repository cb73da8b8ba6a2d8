"""The view of one sample in the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras.reporting import numbers


def show_sample(
    x: Mapping[str, np.ndarray],
    modalities: Mapping[str, Any],
    optional: Sequence[str],
    learned_files: Mapping[str, Path],
) -> list[dict[str, Any]]:
    """Returns what the report shows of each modality of one sample.

    Args:
        x: Inputs by name, without the batch axis.
        modalities: Specs by name.
        optional: Names of the optional modalities: the columns of `present`.
        learned_files: Of the modalities that have one, the file of what was
            learned from the training split, such as a tokenizer.

    Returns:
        `{"name", "kind", ...}` each, with "picture" (a data URL), "drawing"
        (SVG) or "text"; kind "absent" where the modality is not there.
    """
    columns = {name: i for i, name in enumerate(sorted(optional))}
    shown = []
    for name in sorted(set(x) & set(modalities)):
        if name in columns and x["present"][columns[name]] == 0:
            shown.append({"name": name, "kind": "absent"})
            continue
        modality = modalities[name]
        entry = modality.show(x[name], learned_files.get(name))
        # A kind without a view of its own is shown as numbers.
        entry = entry or {"text": numbers(np.ravel(x[name]))}
        shown.append({"name": name, "kind": modality.kind, **entry})
    return shown

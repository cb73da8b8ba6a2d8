"""Labels that are read with their samples, as a shard holds them."""

from collections.abc import Mapping

import numpy as np

from mmkeras.data.files.source import SampleIO
from mmkeras.spec import Label, Sample, Target


def read_label(
    target: Target,
    cells: Mapping[str, str],
    io: SampleIO,
    samples: Mapping[str, Sample],
) -> Label:
    """Reads the label of a sample, or says that there is none.

    Args:
        target: Of a kind that is `read_with_sample`.
        cells: The sample's row of the manifest, by column.
        io: Files, and what was learned, by modality.
        samples: Every modality that is there, as it was read.

    Raises:
        BadSample: If it cannot be used.
    """
    if not target.has_label(cells):
        return unlabelled(target)
    near = {
        name: samples[name] for name in target.reads_with if name in samples
    }
    return fitted(target, target.read(cells, io, near))


def fitted(target: Target, label: Label) -> Label:
    """Returns a label in the type and shape that its target says.

    Raises:
        ValueError: If it has another shape, or a number that does not fit:
            the kind is wrong then, not the sample.
    """
    value = np.asarray(label.value)
    weight = np.asarray(label.weight, "float32")
    kept = value.astype(target.dtype)
    shapes = kept.shape, weight.shape
    if shapes != (target.shape, target.weight_shape):
        raise ValueError(
            f"Kind '{target.kind}' must read labels and weights of the shapes "
            f"{target.shape}, {target.weight_shape}. Received: "
            f"{shapes[0]}, {shapes[1]}"
        )
    if kept.dtype.kind in "iu" and not np.array_equal(kept, value):
        raise ValueError(
            f"Kind '{target.kind}' must read labels that fit {target.dtype}. "
            f"Received: {value.dtype}, {value.min()} to {value.max()}"
        )
    return Label(kept, weight, label.notes)


def unlabelled(target: Target) -> Label:
    """Returns what stands for a label that is missing."""
    value = np.full(target.shape, target.unlabelled, target.dtype)
    return Label(value, np.zeros(target.weight_shape, "float32"))

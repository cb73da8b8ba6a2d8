"""A table of model size and metrics after each step of compression."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from mmkeras.compress.kernels import Kernel, kernels


@dataclass(frozen=True)
class Change:
    """A model after one step.

    Args:
        step: What was done.
        parameters: Weights of the model, trainable or not.
        nonzero: Share of the kernels' weights that are not zero.
        values: Distinct values of a kernel, the median over kernels.
        float32_bytes: All weights, after gzip.
        int8_bytes: The same with kernels rounded to 8 bits for each output
            channel, as in an int8 file, after gzip.
        metrics: What was measured of the model.
    """

    step: str
    parameters: int
    nonzero: float
    values: int
    float32_bytes: int
    int8_bytes: int
    metrics: Mapping[str, float]


class Changes:
    """Collects what each step of compression changed.

    Args:
        model: The model before the first step.
        metrics: Figures of the model by name, such as its accuracy.

    Example:

    >>> changes = Changes(model, digit=0.9778)
    >>> changes.add("prune", prune(model, 0.8), digit=0.9767)
    >>> print(changes.table())
    step   parameters  nonzero  values  gzip float32  gzip int8   digit
    start     491,578   100.0%   8,192     1817.5 KB   480.0 KB  0.9778
    prune     491,578    20.0%   4,705      546.0 KB   172.1 KB  0.9767
    """

    def __init__(self, model: keras.Model, **metrics: float):
        self.rows: list[Change] = []
        self.add("start", model, **metrics)

    def add(self, step: str, model: keras.Model, **metrics: float) -> Change:
        """Measures a model after a step; returns the new row."""
        found = kernels(model)
        values = [ops.convert_to_numpy(kernel.variable) for kernel in found]
        ours = {id(kernel.variable) for kernel in found}
        rest = [
            ops.convert_to_numpy(weight)
            for weight in model.weights
            if id(weight) not in ours
        ]
        size = sum(value.size for value in values)
        nonzero = sum(np.count_nonzero(value) for value in values)
        distinct = [len(np.unique(value)) for value in values]
        rounded = [round_to_int8(*each) for each in zip(values, found)]
        row = Change(
            step=step,
            parameters=model.count_params(),
            nonzero=nonzero / max(size, 1),
            values=int(np.median(distinct)) if distinct else 0,
            float32_bytes=_gzip_bytes(values + rest),
            int8_bytes=_gzip_bytes(rounded + rest),
            metrics=metrics,
        )
        self.rows.append(row)
        return row

    def table(self) -> str:
        """Returns one line a step, as text."""
        names = list(dict.fromkeys(n for row in self.rows for n in row.metrics))
        head = ["step", "parameters", "nonzero", "values"]
        lines = [[*head, "gzip float32", "gzip int8", *names]]
        for row in self.rows:
            figures = [
                f"{row.parameters:,}",
                f"{row.nonzero:.1%}",
                f"{row.values:,}",
                f"{row.float32_bytes / 1000:.1f} KB",
                f"{row.int8_bytes / 1000:.1f} KB",
            ]
            measured = [
                f"{row.metrics[name]:.4f}" if name in row.metrics else "-"
                for name in names
            ]
            lines.append([row.step, *figures, *measured])
        widths = [max(map(len, column)) for column in zip(*lines)]
        return "\n".join(
            "  ".join(
                [line[0].ljust(widths[0])]
                + [cell.rjust(w) for cell, w in zip(line[1:], widths[1:])]
            )
            for line in lines
        )


def round_to_int8(value: np.ndarray, kernel: Kernel) -> np.ndarray:
    """Returns a kernel in 8 bits, symmetric, one scale an output channel."""
    summed = tuple(
        axis for axis in range(value.ndim) if axis not in kernel.output_axes
    )
    scale = np.abs(value).max(axis=summed, keepdims=True) / 127
    return np.round(value / np.where(scale, scale, 1)).astype("int8")


def _gzip_bytes(arrays: list[np.ndarray]) -> int:
    data = b"".join(array.tobytes() for array in arrays)
    return len(gzip.compress(data, mtime=0))

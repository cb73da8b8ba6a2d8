"""Runs every file over samples, and compares it with Keras."""

import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from mmkeras import metrics
from mmkeras.export.conversion.produced_file import ProducedFile
from mmkeras.export.conversion.runtimes import latencies_ms, run_all
from mmkeras.export.conversion.writing import writing
from mmkeras.export.formats import FORMATS, open_file
from mmkeras.export.verification.file_measurement import (
    Comparison,
    FileFigures,
    Measured,
    Measurement,
)
from mmkeras.export.verification.sampling import Samples, scenarios
from mmkeras.spec import DataSpec, Target

# A float file computes what Keras does, but for the order of its sums.
FLOAT_TOLERANCE = 1e-4
Arrays = Mapping[str, np.ndarray]


def compare_files(
    files: Sequence[ProducedFile],
    spec: DataSpec,
    samples: Samples,
    keras: Mapping[str, Arrays],
    original: Mapping[str, Arrays] | None = None,
) -> Measured:
    """Returns size, latency, and per scenario and target all figures.

    A drop is one against the original, where the model was made from another.

    Args:
        files: The files.
        spec: The data spec.
        samples: Inputs, labels and weights.
        keras: What the model answers, by scenario and target.
        original: What the larger model answers that it was made from.
    """
    runs = {
        file.name: writing(open_file(file.path), file.path, file.notes.decoders)
        for file in files
    }
    found = {}
    for scenario, inputs in scenarios(samples.x, spec.optional):
        outputs = {
            file: run_all(runs[file.name], inputs, _batch(file))
            for file in files
        }
        found[scenario] = {
            name: compare_outputs(
                target,
                samples.labels[name],
                samples.weights[name],
                keras[scenario][name],
                original and original[scenario][name],
                {file: each[name] for file, each in outputs.items()},
                samples.groups,
            )
            for name, target in sorted(spec.targets.items())
        }
    return Measured(_figures(files, latencies_ms(runs, samples.x)), found)


def _batch(file: ProducedFile) -> int:
    """Returns how many samples to ask at once.

    A float file is run in batches where it can be, which shows that it can.
    What a smaller one answers may depend on what else is in its batch.
    """
    return FORMATS[file.format].batch if file.is_float else 1


def _figures(
    files: Sequence[ProducedFile], times: Mapping[str, float]
) -> dict[str, FileFigures]:
    return {
        file.name: FileFigures(
            file.size_bytes, round(times[file.name], 4), file.format,
            file.recipe,
        )
        for file in files
    }  # fmt: skip


def compare_outputs(
    target: Target,
    labels: np.ndarray,
    weights: np.ndarray,
    keras: np.ndarray,
    original: np.ndarray | None,
    outputs: Mapping[ProducedFile, np.ndarray],
    groups: Sequence[str] | None = None,
) -> Comparison:
    """Measures every output of one target, and compares it with Keras'.

    Args:
        target: The target.
        labels: As in a batch, `(samples, ...)`.
        weights: As in a batch; 0 where there is no label.
        keras: The model's output.
        original: That of the larger model it was made from, if any.
        outputs: Those of the files.
        groups: Of the samples.
    """
    judge = functools.partial(_Judged, target, labels, weights, groups)
    model = judge(keras)
    base = model if original is None else judge(original)
    files = {file: judge(output) for file, output in outputs.items()}
    ends = metrics.drop_spans(
        base.figures,
        {file: each.figures for file, each in files.items()},
        target.guard,
    )
    return Comparison(
        target.guard,
        Measurement(model.values, calibration_error=model.calibration_error),
        {
            file.name: _measure(file, each, model, base, ends[file])
            for file, each in files.items()
        },
        None if original is None else Measurement(base.values),
    )


class _Judged:
    """One output of one target, with all that is computed of it once."""

    def __init__(self, target: Target, labels, weights, groups, output):
        self.target, self.output = target, output
        self.weights = weights
        figures = target.figures(labels, output, weights)
        self.figures = figures.grouped(groups, weights)
        values = self.figures.values().items()
        self.values = {n: v for n, v in values if math.isfinite(v)}
        self.decisions = target.decisions(labels, output, weights)

    @property
    def calibration_error(self) -> float | None:
        if self.decisions is None:
            return None
        return metrics.calibration_error(self.decisions)


def _measure(
    file: ProducedFile,
    judged: _Judged,
    keras: _Judged,
    base: _Judged,
    ends: tuple[float, float] | None,
) -> Measurement:
    """Measures one output of a file."""
    if not np.isfinite(judged.output).all():
        raise ValueError(
            "Every output of an exported file must be finite. "
            f"Received: NaN or infinity from {file.name}"
        )
    guard = judged.target.guard
    known = guard in base.values and guard in judged.values
    gap, size = judged.target.distance(keras.output, judged.output)
    return Measurement(
        judged.values,
        judged.target.agreement(keras.output, judged.output, judged.weights),
        float(gap.max()),
        base.values[guard] - judged.values[guard] if known else None,
        ends if known else None,
        judged.calibration_error,
        _worst(base, judged),
        _departs_at(gap, size) if file.is_float else None,
    )


def _worst(base: _Judged, judged: _Judged) -> dict | None:
    """Returns the class that lost most, where there are classes."""
    if base.decisions is None or judged.decisions is None:
        return None
    names = judged.target.class_names
    return metrics.worst_class(names, base.decisions, judged.decisions)


def _departs_at(gap: np.ndarray, size: float) -> int | None:
    """Returns the sample where a float file is furthest from Keras, if far."""
    if gap.max() <= FLOAT_TOLERANCE * size:
        return None
    return int(gap.reshape(len(gap), -1).max(axis=1).argmax())

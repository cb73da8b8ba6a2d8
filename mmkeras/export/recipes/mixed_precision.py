"""Mixed precision: int8, but for the layers that lose too much by it."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from mmkeras.export.conversion.runtimes import open_file, run_all
from mmkeras.export.recipes.heavy_int8 import (
    FLOAT_SCOPES,
    find_ranges,
    quantize_tflite,
)
from mmkeras.export.recipes.layer_errors import fewest_floats, own_errors
from mmkeras.export.scores import METRIC, score

Arrays = Mapping[str, np.ndarray]


def quantize_mixed(
    source: str | Path,
    target: str | Path,
    samples: Arrays,
    chosen_on: tuple[Arrays, Arrays, Arrays],
    kinds: Mapping[str, str],
    limit: float,
    float_scopes: Collection[str] = FLOAT_SCOPES,
    keep: Collection[str] = (),
    own: Mapping[str, float] | None = None,
) -> list[str]:
    """Quantizes a float file until its metrics hold.

    The operators are tried one by one in int8; those that hurt the outputs
    most stay float, as few as bring every metric within the limit.

    Args:
        source: Float `.tflite` file with a named signature.
        target: The file to write.
        samples: Inputs by name, `(samples, ...)`, for the ranges.
        chosen_on: Inputs, labels and weights the metrics are measured on; not
            those of the test split, which has to stay unseen.
        kinds: Kind of each target.
        limit: Largest drop of a metric, as a fraction.
        float_scopes: Parts of layer names whose operators compute in float.
        keep: Scopes of operators that compute in float in any case.
        own: What `own_errors` returned, to save measuring it again.

    Returns:
        The scopes of the operators that stayed float for the metrics' sake.
    """
    ranges = find_ranges(source, samples)
    x, labels, weight = chosen_on
    if own is None:
        few = {name: values[:16] for name, values in samples.items()}
        own = own_errors(source, few, ranges, float_scopes, keep)
    exact = run_all(open_file(source), x)

    def drop(floats: list[str]) -> float:
        quantize_tflite(
            source, target, samples, float_scopes, ranges=ranges,
            keep=[*keep, *floats],
        )  # fmt: skip
        rough = run_all(open_file(target), x)
        return largest_drop(kinds, labels, weight, exact, rough)

    floats = fewest_floats(own, drop, limit)
    drop(floats)
    return floats


def largest_drop(
    kinds: Mapping[str, str],
    labels: Arrays,
    weight: Arrays,
    before: Arrays,
    after: Arrays,
) -> float:
    """Returns the drop of the metric that lost most; 0 without labels."""
    drops = [0.0]
    for name, kind in kinds.items():
        scores = [
            score(kind, labels[name], weight[name], output[name])
            for output in (before, after)
        ]
        if METRIC[kind] in scores[0]:
            drops.append(scores[0][METRIC[kind]] - scores[1][METRIC[kind]])
    return max(drops)

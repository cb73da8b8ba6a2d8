"""Which layers suffer from int8, and which are worth keeping in float."""

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mmkeras.export.conversion.operators import operators
from mmkeras.export.conversion.runtimes import run_all, trace_all
from mmkeras.export.conversion.tflite_runtime import open_tflite, trace_tflite
from mmkeras.export.recipes.context import FLOAT_SCOPES
from mmkeras.export.recipes.heavy_int8 import HEAVY, quantize_tflite
from mmkeras.export.recipes.learned_ranges import Ranges

# Below this the error is that of float32 itself.
SILENCE_DB = 120.0
# Layers are worth keeping in float if the file gains this much.
GAIN_DB = 6.0


def layer_errors(
    source: str | Path, quantized: str | Path, x: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Returns the signal-to-noise ratio of each result of a quantized file.

    What the layers before got wrong is part of the noise. Results inside of a
    loop, and those that only one of the files has, are left out.

    Args:
        source: Float `.tflite` file.
        quantized: A file made from it.
        x: Inputs by name, `(samples, ...)`.

    Returns:
        Decibels by scope, in the order of computation.
    """
    powers: dict[str, np.ndarray] = {}
    runs = [trace_all(trace_tflite(path), x) for path in (source, quantized)]
    for exact, rough in zip(*runs, strict=True):
        rough = dict(rough)
        for name, values in exact:
            other = rough.get(name)
            if values.dtype.kind != "f" or other is None:
                continue
            noise = values.astype("float64") - other.reshape(values.shape)
            power = np.array([(values.astype("float64") ** 2).sum(),
                              (noise**2).sum()])  # fmt: skip
            powers[name] = powers.get(name, 0) + power
    return {
        name: decibels(noise / signal)
        for name, (signal, noise) in powers.items()
        if signal > 0 and np.isfinite(signal) and np.isfinite(noise)
    }


def own_errors(
    source: str | Path,
    x: Mapping[str, np.ndarray],
    ranges: Ranges,
    float_scopes: Collection[str] = FLOAT_SCOPES,
    keep: Collection[str] = (),
    limit_sec: float = float("inf"),
) -> dict[str, float]:
    """Returns what each heavy operator alone does to the outputs in int8.

    Args:
        source: Float `.tflite` file.
        x: Inputs by name, `(samples, ...)`.
        ranges: What `find_ranges` returned for the file.
        float_scopes: Parts of layer names whose operators compute in float.
        keep: Scopes of operators that compute in float.
        limit_sec: Seconds after which no further operator is tried.

    Returns:
        Signal-to-noise ratio at the outputs, in decibels, by scope.
    """
    exact = run_all(open_tflite(source), x)
    end, found = time.perf_counter() + limit_sec, {}
    with TemporaryDirectory() as folder:
        target = Path(folder) / "one.tflite"
        for name in heavy_operators(source, float_scopes, keep):
            if time.perf_counter() > end:
                break
            quantize_tflite(
                source, target, x, float_scopes, ranges=ranges, only=[name]
            )
            rough = run_all(open_tflite(target), x)
            found[name] = decibels(noise_ratio(exact, rough))
    return found


def heavy_operators(
    source: str | Path,
    float_scopes: Collection[str] = FLOAT_SCOPES,
    keep: Collection[str] = (),
) -> list[str]:
    """Returns the scopes of the operators that int8 is for."""
    return [
        scope
        for name, scope in operators(source)
        if name in HEAVY
        and scope not in keep
        and not any(part in scope for part in float_scopes)
        and not (name == "GATHER" and "while" in scope)
    ]


def noise_ratio(
    exact: Mapping[str, np.ndarray], rough: Mapping[str, np.ndarray]
) -> float:
    """Returns noise over signal, summed over the outputs."""
    ratio = 0.0
    for name, values in exact.items():
        signal = (values.astype("float64") ** 2).sum()
        noise = (values.astype("float64") - rough[name]) ** 2
        ratio += float(noise.sum() / signal) if signal > 0 else 0.0
    return ratio


def decibels(ratio: float) -> float:
    """Returns noise over signal as a signal-to-noise ratio in decibels."""
    return float(-10 * np.log10(max(ratio, 10 ** (-SILENCE_DB / 10))))


def worth_floating(own: Mapping[str, float]) -> tuple[list[str], float]:
    """Returns the few operators that make most of the error, and the gain.

    Few is a quarter of all, and at least two, since a value that is far too
    large hurts the layer that makes it and the one that reads it; most is
    what makes the file better by 6 dB. Where the error is spread evenly, none
    is worth it.

    Args:
        own: What `own_errors` returned.

    Returns:
        Scopes, and the decibels gained by computing them in float.
    """
    noise = {name: 10 ** (-value / 10) for name, value in own.items()}
    worst = sorted(noise, key=noise.get, reverse=True)
    total = sum(noise.values())
    for count in range(1, 1 + min(len(worst) - 1, max(2, len(worst) // 4))):
        left = sum(noise[name] for name in worst[count:])
        gain = 10 * np.log10(total / left)
        if gain >= GAIN_DB:
            return worst[:count], float(gain)
    return [], 0.0


def fewest_floats(
    own: Mapping[str, float], drop: Callable[[list[str]], float], limit: float
) -> list[str]:
    """Returns the fewest of the worst operators to compute in float.

    Doubles their number until the drop is within the limit, then halves the
    last step.

    Args:
        own: What `own_errors` returned.
        drop: The drop of the metric with some operators in float.
        limit: Largest drop.

    Returns:
        Scopes; all of them if nothing less will do.
    """
    worst = sorted(own, key=own.get)
    low, high = -1, 0
    while drop(worst[:high]) > limit:
        if high >= len(worst):
            return worst
        low, high = high, min(max(1, 2 * high), len(worst))
    while high - low > 1:
        middle = (low + high) // 2
        if drop(worst[:middle]) > limit:
            low = middle
        else:
            high = middle
    return worst[:high]

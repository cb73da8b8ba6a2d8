"""Statistics that add up: a shard at a time, in any number of processes.

Pictures and sound are counted in whole numbers, so the sum is exact; vectors
and series are merged with Chan's formula, in the order of the shards.
"""

import math

import numpy as np

from mmkeras.spec import Modality


def of_sample(kind: str, value: np.ndarray) -> dict | None:
    """Returns the sums of one decoded sample; None for a kind without."""
    if kind in ("image", "video"):
        flat = value.reshape(-1, value.shape[-1]).astype(np.int64)
    elif kind == "audio":
        flat = value.reshape(-1, 1).astype(np.int64)
    elif kind == "vector":
        known = ~np.isnan(value)
        mean = np.where(known, value, 0).astype(np.float64)
        return {
            "n": known.astype(int).tolist(),
            "mean": mean.tolist(),
            "m2": [0.0] * len(value),
        }
    elif kind == "series":
        return _of_series(value.astype(np.float64))
    else:
        return None
    return {
        "n": len(flat),
        "sum": flat.sum(axis=0).tolist(),
        "squares": (flat * flat).sum(axis=0).tolist(),
    }


def merge(left: dict | None, right: dict | None) -> dict | None:
    """Adds two of the above; None stands for nothing yet."""
    if left is None or right is None:
        return left or right
    if "sum" in left:
        return {
            "n": left["n"] + right["n"],
            "sum": _add(left["sum"], right["sum"]),
            "squares": _add(left["squares"], right["squares"]),
        }
    n = np.add(left["n"], right["n"])
    share = right["n"] / np.maximum(n, 1)
    step = np.subtract(right["mean"], left["mean"])
    mean = left["mean"] + step * share
    m2 = np.add(left["m2"], right["m2"]) + step * step * left["n"] * share
    return {"n": n.tolist(), "mean": mean.tolist(), "m2": m2.tolist()}


def finish(modality: Modality, sums: dict | None) -> dict:
    """Turns sums into what the manifest holds.

    Image: `mean` and `std` a channel, of x / 255. Audio: `mean` and `std` of
    samples in [-1, 1]. Vector: `mean` and `variance` a column of numbers, in
    raw units, over the cells that are known. Series: `mean` and `std` a
    channel, in raw units, over the steps that are known. Video: as an image.
    Volume: none, for the spec has its window.
    Where the training split never has the modality, means are 0 and
    deviations 1.
    """
    if modality.kind == "volume":
        return {}
    width = dict.fromkeys(("image", "series", "video"), modality.shape[-1])
    width["audio"] = 1
    size = width.get(modality.kind, modality.shape[0])
    mean, spread = [0.0] * size, [1.0] * size
    if modality.kind == "vector":
        size -= len(modality.categorical)
        if sums:
            mean = sums["mean"][:size]
            pairs = list(zip(sums["m2"], sums["n"], strict=True))[:size]
            spread = [m2 / n if n else 1.0 for m2, n in pairs]
        return {"mean": mean[:size], "variance": spread[:size]}
    if sums and modality.kind == "series":
        pairs = zip(sums["m2"], sums["n"], strict=True)
        spread = [math.sqrt(m2 / n) if n else 1.0 for m2, n in pairs]
        return {"mean": sums["mean"], "std": spread}
    if sums:
        n, scale = sums["n"], 32768 if modality.kind == "audio" else 255
        pairs = list(zip(sums["sum"], sums["squares"], strict=True))
        mean = [total / n / scale for total, _ in pairs]
        # Exact: whole numbers up to the root.
        spread = [
            math.sqrt(squares * n - total * total) / n / scale
            for total, squares in pairs
        ]
    if modality.kind == "audio":
        return {"mean": mean[0], "std": spread[0]}
    return {"mean": mean, "std": spread}


def _of_series(value: np.ndarray) -> dict:
    """Returns the sums of `(steps, channels)`, whose gaps do not count."""
    known = np.isfinite(value)
    n = known.sum(axis=0)
    mean = np.where(known, value, 0).sum(axis=0) / np.maximum(n, 1)
    m2 = (np.where(known, value - mean, 0) ** 2).sum(axis=0)
    return {"n": n.tolist(), "mean": mean.tolist(), "m2": m2.tolist()}


def _add(left: list[int], right: list[int]) -> list[int]:
    return [a + b for a, b in zip(left, right, strict=True)]

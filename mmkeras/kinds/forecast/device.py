"""The next steps of a series, with intervals."""

import numpy as np


def shape(entry: dict) -> list[int]:
    """Returns the shape of the model's output for one sample."""
    return [entry["steps"], len(entry["channels"]), len(entry["quantiles"])]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns, by channel, the median and each interval of every step.

    An interval is named by the share that it covers, such as "0.8".
    """
    quantiles = entry["quantiles"]
    middle = len(quantiles) // 2
    found = {}
    for place, name in enumerate(entry["channels"]):
        steps = output[:, place]
        found[name] = {
            "forecast": steps[:, middle].tolist(),
            "intervals": {
                f"{quantiles[-1 - i] - quantiles[i]:.6g}": {
                    "low": steps[:, i].tolist(),
                    "high": steps[:, -1 - i].tolist(),
                }
                for i in range(middle)
            },
        }
    return {"channels": found, "unit": entry["unit"]}

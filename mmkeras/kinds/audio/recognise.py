"""Which columns are sound."""

import collections
import math
from collections.abc import Mapping

import numpy as np

from mmkeras.data import BadSample, read_sound
from mmkeras.kinds.audio import Audio
from mmkeras.spec import Guess, SeenColumn, most, spread


def recognise(column: SeenColumn) -> Guess | None:
    """Opens some of the files; or looks at arrays that have a rate."""
    rates, seconds, tried = [], [], len(column.files)
    for name, raw in column.files.items():
        try:
            sound = read_sound(raw, name)
        # Without the package for films, this is no sound that can be read.
        except (BadSample, ValueError):
            continue
        rates.append(sound.rate_hz)
        seconds.append(len(sound.values) / sound.rate_hz)
    for value in column.arrays:
        tried += 1
        if isinstance(value, Mapping) and "sampling_rate" in value:
            rates.append(int(value["sampling_rate"]))
            seconds.append(len(np.ravel(value["array"])) / rates[-1])
    if not rates or 2 * len(rates) < tried:
        return None
    limits = Audio.model_fields["duration_sec"].metadata
    longest = min(getattr(limit, "le", math.inf) for limit in limits
                  if hasattr(limit, "le"))  # fmt: skip
    duration = math.ceil(10 * most(seconds)) / 10
    keys = {
        "sample_rate_hz": collections.Counter(rates).most_common(1)[0][0],
        "duration_sec": min(max(0.1, duration), longest),
    }
    notes = {
        "sample_rate_hz": f"Hz; they have {spread(rates)}",
        "duration_sec": f"95 % are no longer; they last {spread(seconds, 2)}",
    }
    return Guess(keys, f"{len(rates)} of {tried} opened are sound", 0.9, notes)

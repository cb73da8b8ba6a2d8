"""What every reader of sensor data returns."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mmkeras.data.files.reasons import BadSample, Reason


@dataclass(frozen=True)
class Signals:
    """Channels that were recorded together.

    Args:
        values: `(steps, channels)` numbers, NaN in gaps.
        rate_hz: Steps a second; None where the file does not say.
        times: `(steps,)` seconds of each step, in any order; None where steps
            are evenly apart.
        units: Of each channel, as the file has it; None where it has none.
        notes: What was found or changed, counted.
    """

    values: np.ndarray
    rate_hz: float | None = None
    times: np.ndarray | None = None
    units: tuple[str | None, ...] = ()
    notes: dict[str, int] = field(default_factory=dict)


def places(there: Sequence[str], wanted: Sequence[str], name: str) -> list[int]:
    """Returns where channels stand in a file, each of which must be there once.

    Args:
        there: Names in the file.
        wanted: Names in the spec.
        name: The file, for messages.
    """
    for channel in wanted:
        if list(there).count(channel) != 1:
            found = "twice" if channel in there else "not there"
            raise BadSample(
                Reason.BAD_HEADER, f"{name!r}: {channel[:80]!r} is {found}"
            )
    return [list(there).index(channel) for channel in wanted]

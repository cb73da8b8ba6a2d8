"""Labels that are numbers, mixed: the mean by share."""

from typing import Any

from mmkeras.kinds.number import Number


def mix(number: Number, labels: Any, other: Any, share: Any) -> Any:
    return share * labels + (1 - share) * other

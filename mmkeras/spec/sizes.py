"""How large a sample may be."""

import math

from mmkeras.spec.modality import Modality

MAX_VALUES = 100_000_000


def check_size(modality: Modality) -> Modality:
    """Returns a modality whose samples have a bounded size.

    Raises:
        ValueError: If a sample has no value, or more than a hundred million.
    """
    values = math.prod(modality.shape)
    if not 0 < values <= MAX_VALUES:
        raise ValueError(
            f"A sample must have 1 to {MAX_VALUES:,} values. Received: "
            f"{values:,}, shape {modality.shape}"
        )
    return modality

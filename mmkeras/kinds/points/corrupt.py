"""Points that do not come back: rain, dust, dark surfaces."""

import numpy as np

from mmkeras.spec.modality import Corruption


def corruption(modality) -> Corruption:
    """A share of the points is lost, at random; the first one stays."""

    def change(draw, clouds, level, known):
        lost = draw.random(clouds.shape[:2]) < level
        lost[:, 0] = False
        return np.where(lost[..., None], np.nan, clouds)

    return Corruption((0.25, 0.5, 0.75), "points lost, share", change)

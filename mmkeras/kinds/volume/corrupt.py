"""Noise on voxels."""

from mmkeras.spec.modality import Corruption


def corruption(modality) -> Corruption:
    """Gaussian noise on every voxel, as a share of the window."""
    window = modality.window_high - modality.window_low

    def change(draw, voxels, level, known):
        return voxels + draw.normal(0, level * window, voxels.shape)

    unit = "noise, std as a share of the window"
    return Corruption((0.05, 0.1, 0.2), unit, change)

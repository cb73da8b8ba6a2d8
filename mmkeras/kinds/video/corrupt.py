"""Noise on the pixels of all frames."""

from mmkeras.kinds.image.corrupt import corruption

__all__ = ["corruption"]

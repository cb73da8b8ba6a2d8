"""What changes from frame to frame: the input of a tower for actions."""

from dataclasses import dataclass
from math import prod

import keras
from keras import layers, ops

from mmkeras.options import option
from mmkeras.towers.image import normalise_pixels
from mmkeras.towers.temporal import convolve, flat, normalise
from mmkeras.towers.tower_options import TowerOptions
from mmkeras.values import COUNT, FLAG, SHARE


@dataclass(frozen=True, kw_only=True)
class VideoDifferences(TowerOptions):
    """Options of convolutions over each frame's difference from the last.

    Args:
        filters: Filters of the first stage; each next one has twice as many,
            and is half as long along both sides.
        depth: Stages.
        frames_too: Whether the frame is read beside its difference; without
            it the tower sees movement alone, whatever the scene.
    """

    dropout: float = option(0.1, SHARE)
    filters: int = option(16, COUNT, role="width")
    depth: int = option(3, COUNT)
    frames_too: bool = option(True, FLAG)


@keras.saving.register_keras_serializable(package="mmkeras")
class FrameDifferences(layers.Layer):
    """Subtracts from each frame the one before it; 0 for the first.

    Args:
        frames: integer, frames of a clip.

    Input and output shape: `(batch * frames, height, width, channels)`.

    Example:

    >>> clip = np.array([1.0, 4.0, 6.0]).reshape(3, 1, 1, 1)
    >>> FrameDifferences(3)(clip).numpy().ravel().tolist()
    [0.0, 3.0, 2.0]
    """

    def __init__(self, frames, **kwargs):
        super().__init__(**kwargs)
        self.frames = frames

    def call(self, x):
        # As rows of a map, frames first: device runtimes know four axes best.
        rows = ops.reshape(x, (-1, self.frames, prod(x.shape[1:])))
        moved = rows[:, 1:] - rows[:, :-1]
        moved = ops.concatenate([ops.zeros_like(rows[:, :1]), moved], axis=1)
        return ops.reshape(moved, (-1, *x.shape[1:]))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "frames": self.frames}


def read_differences(x, frames, mean, std, options, name):
    """Returns `(batch, frames, channels)` of `(batch * frames, ...)` pixels.

    After Zhao et al., "Recognize Actions by Disentangling Components of
    Dynamics", 2018, and the RGB differences of Wang et al., "Temporal Segment
    Networks", 2016 (arXiv 1608.00859), in one stream.
    """
    x = normalise_pixels(x, mean, std, name)
    moved = FrameDifferences(frames, name=f"{name}_differences")(x)
    if options.frames_too:
        moved = layers.Concatenate(name=f"{name}_and_frames")([x, moved])
    x = moved
    for i in range(options.depth):
        filters = options.filters * 2**i
        x = convolve(x, filters, 3, 2 if i else 1, f"{name}_{i}_0")
        x = convolve(x, filters, 3, 1, f"{name}_{i}_1")
    x = layers.GlobalAveragePooling2D(name=f"{name}_frame_vectors")(x)
    x = flat(x, frames, f"{name}_vectors")
    # What is an action takes a few frames.
    x = layers.Conv1D(
        x.shape[-1], 3, padding="same", use_bias=False, name=f"{name}_across"
    )(x)
    return normalise(x, f"{name}_across")

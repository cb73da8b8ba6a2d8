"""Video towers: uint8 frames in, one vector and one row per frame out."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from mmkeras.arguments import check_positive
from mmkeras.options import Options, Part, Variants, option
from mmkeras.towers.frame_differences import (
    VideoDifferences,
    read_differences,
)
from mmkeras.towers.hub import as_tower
from mmkeras.towers.image import IMAGE_TOWERS, image_tower, normalise_pixels
from mmkeras.towers.masked_layers import LearnedPosition, transformer_block
from mmkeras.towers.mean_pooled import finish_tower
from mmkeras.towers.temporal import (
    Regroup,
    flat,
    recurrence,
    spread_convolution,
)
from mmkeras.towers.tower_options import TowerOptions
from mmkeras.values import COUNT, FLAG, SHARE


@dataclass(frozen=True, kw_only=True)
class VideoOptions(TowerOptions):
    """Options of every video tower."""

    dropout: float = option(0.1, SHARE)


@dataclass(frozen=True, kw_only=True)
class FrameByFrame(VideoOptions):
    """Options of video towers of which an image tower reads each frame.

    Args:
        units: Width of the vector and of the tokens, and of what reads the
            frames' vectors.
        frame_tower: What reads a frame: a table of options of an image tower,
            `units` being those of the video where they are left out; or, in
            Python, a model of your own that `as_tower` takes, which then
            normalises for itself. Defaults to a small CNN.
        depth: Recurrent layers, or blocks.
    """

    frame_tower: Any = option(
        None,
        (
            "options of `image_tower`, such as {'variant': 'resnet18'}, or a "
            "Keras model",
            lambda v: isinstance(v, Options | keras.Model),
        ),
    )
    depth: int = option(1, COUNT)

    @classmethod
    def read(cls, given, where="", dropped=None):
        frame = given.get("frame_tower") or {}
        if isinstance(frame, Mapping):
            own = {"units": given["units"]} if "units" in given else {}
            inner = f"{where}.frame_tower" if where else "frame_tower"
            frame = IMAGE_TOWERS.read({**own, **frame}, inner, dropped)
        return super().read({**given, "frame_tower": frame}, where, dropped)

    def narrower(self, scale):
        frame = self.frame_tower
        if isinstance(frame, Options):
            frame = IMAGE_TOWERS.narrower(frame, scale)
        found = super().narrower(scale)
        return dataclasses.replace(found, frame_tower=frame)


@dataclass(frozen=True, kw_only=True)
class VideoGru(FrameByFrame):
    """Options of a GRU over the frames.

    Args:
        depth: Recurrent layers.
        bidirectional: Whether they read in both directions.
    """

    bidirectional: bool = option(True, FLAG)


@dataclass(frozen=True, kw_only=True)
class VideoAttention(FrameByFrame):
    """Options of pre-norm blocks over the frames, with learned positions.

    Args:
        depth: Blocks.
        heads: Attention heads; divides `units`.
    """

    heads: int = option(4, COUNT, role="parts")


@dataclass(frozen=True, kw_only=True)
class VideoCnn3d(VideoOptions):
    """Options of convolutions through space and time.

    Args:
        dropout: Share of features dropped before the last layer.
        filters: Filters of the first stage; each next one has twice as many,
            and is half as long along each axis.
        depth: Stages.
    """

    filters: int = option(16, COUNT, role="width")
    depth: int = option(3, COUNT)


def video_tower(
    frames: int,
    height: int,
    width: int,
    channels: int,
    name: str = "video",
    variant: str = "gru",
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    **options: Any,
) -> keras.Model:
    """Builds a tower that reads the frames of one clip.

    Either one image tower reads every frame and a GRU or attention reads its
    vectors, or convolutions run through space and time. The vector is the
    mean of the tokens.

    Args:
        frames: Frames of a clip.
        height: Rows of pixels.
        width: Columns of pixels.
        channels: Channels a pixel.
        name: Name of the modality, and of the input.
        variant: `"gru"` (order of frames), `"attention"` (learned
            positions, pre-norm blocks: which frames matter), `"cnn3d"`
            (convolutions 3x3 in a frame, then 3 across frames: fine motion;
            each stage halves all axes) or `"differences"` (each frame and its
            difference from the last: actions, in front of any scene).
        mean: Mean of pixels / 255 over the training frames, one number for
            each channel. Defaults to 0.
        std: Their standard deviation. Defaults to 1.
        options: Those of the variant: `units` (64), `dropout` (0.1), and what
            `VideoGru`, `VideoAttention`, `VideoCnn3d` or `VideoDifferences`
            have.

    Returns:
        Model from uint8 `(batch, frames, height, width, channels)` to
        `{"vector": (batch, units), "tokens": (batch, positions, units),
        "mask": (batch, positions)}`; positions are the frames, of a `"cnn3d"`
        what is left of them. The mask is all ones.

    Example:

    >>> tower = video_tower(8, 32, 32, 3)
    >>> tower(np.zeros((2, 8, 32, 32, 3), "uint8"))["tokens"].shape
    TensorShape([2, 8, 64])
    """
    chosen = VIDEO_TOWERS.read({"variant": variant, **options})
    check_positive(frames=frames, height=height, width=width, channels=channels)
    clip = keras.Input(
        (frames, height, width, channels), dtype="uint8", name=name
    )

    x = Regroup((height, width), dtype="uint8", name=f"{name}_each_frame")(clip)
    x = VIDEO_TOWERS.build(chosen)(x, frames, mean, std, chosen, name)
    return finish_tower(clip, x, chosen.units, chosen.dropout, name)


def _vectors(x, frames, mean, std, options, name):
    """Reads each frame; `(batch, frames, units)`."""
    frame = options.frame_tower
    if isinstance(frame, Options):
        known = {"mean": mean, "std": std}
        if getattr(frame, "pretrained", None):
            known = {}
        given = {**known, **frame.arguments()}
        each = image_tower(*x.shape[1:], name=f"{name}_frame", **given)
    else:
        shape = x.shape[1:]
        each = as_tower(frame, f"{name}_frame", options.units, shape, "uint8")
    return flat(each(x)["vector"], frames, f"{name}_vectors")


def _gru(x, frames, mean, std, options, name):
    x = _vectors(x, frames, mean, std, options, name)
    units, both = x.shape[-1], options.bidirectional
    for i in range(options.depth):
        key = f"{name}_gru_{i}"
        x = layers.Dropout(options.dropout, name=f"{key}_dropout")(x)
        x = recurrence(x, "gru", units, both, key)
    return x


def _attention(x, frames, mean, std, options, name):
    x = _vectors(x, frames, mean, std, options, name)
    mask = ops.ones_like(x[:, :, 0], dtype="float32")
    x = LearnedPosition(name=f"{name}_position")(x)
    rates = options.heads, options.dropout
    for i in range(options.depth):
        x = transformer_block(x, mask, *rates, f"{name}_block_{i}")
    return layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)


def _cnn3d(x, frames, mean, std, options, name):
    x = normalise_pixels(x, mean, std, name)
    for i in range(options.depth):
        filters = options.filters * 2**i
        for j in range(2):
            stride = 2 if i and not j else 1
            key = f"{name}_{i}_{j}"
            x, frames = spread_convolution(x, frames, filters, stride, key)
    x = layers.GlobalAveragePooling2D(name=f"{name}_frame_vectors")(x)
    return flat(x, frames, f"{name}_vectors")


VIDEO_TOWERS = Variants(
    "variant",
    "gru",
    {
        "gru": Part(VideoGru, _gru),
        "attention": Part(VideoAttention, _attention),
        "cnn3d": Part(VideoCnn3d, _cnn3d),
        "differences": Part(VideoDifferences, read_differences),
    },
)

"""Video towers: uint8 frames in, one vector and one row per frame out."""

from collections.abc import Mapping, Sequence

import keras
from keras import layers, ops

from mmkeras.towers.checks import check_choice, check_sizes
from mmkeras.towers.finish import finish_tower
from mmkeras.towers.hub import as_tower
from mmkeras.towers.image import _normalise, image_tower
from mmkeras.towers.sequence import LearnedPosition, transformer_block
from mmkeras.towers.temporal import (
    Regroup,
    flat,
    recurrence,
    spread_convolution,
)

VARIANTS = ("gru", "attention", "cnn3d")


def video_tower(
    frames: int,
    height: int,
    width: int,
    channels: int,
    name: str = "video",
    variant: str = "gru",
    units: int = 64,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    frame_tower: keras.Model | Mapping | None = None,
    filters: int = 16,
    depth: int | None = None,
    heads: int = 4,
    dropout: float = 0.1,
    bidirectional: bool = True,
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
        variant: `"gru"` (what follows what), `"attention"` (learned
            positions, pre-norm blocks: which frames matter) or `"cnn3d"`
            (convolutions 3x3 in a frame, then 3 across frames: fine motion;
            each stage halves all axes).
        units: Width of the vector and of the tokens, and of what reads the
            frames' vectors.
        mean: Mean of pixels / 255 over the training frames, one number for
            each channel. Defaults to 0.
        std: Their standard deviation. Defaults to 1.
        frame_tower: What reads a frame: arguments of `image_tower`, or a
            model of your own that `as_tower` takes, which then normalises for
            itself. Defaults to a small CNN. Not for `"cnn3d"`.
        filters: Filters of the first stage of a `"cnn3d"`.
        depth: GRU layers or blocks, 1 by default; stages of a `"cnn3d"`, 3 by
            default.
        heads: Attention heads; divides `units`.
        dropout: Share of features dropped.
        bidirectional: Whether the GRU reads in both directions.

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
    check_choice("variant", variant, VARIANTS)
    depth = depth or (3 if variant == "cnn3d" else 1)
    check_sizes(frames=frames, height=height, width=width, channels=channels)
    check_sizes(units=units, filters=filters, depth=depth, heads=heads)
    clip = keras.Input(
        (frames, height, width, channels), dtype="uint8", name=name
    )

    x = Regroup((height, width), dtype="uint8", name=f"{name}_each_frame")(clip)
    if variant == "cnn3d":
        if frame_tower is not None:
            raise ValueError(
                "Argument `frame_tower` is for variants that read frame by "
                "frame. Received: variant='cnn3d'. Choices: 'gru', 'attention'"
            )
        x = _normalise(x, mean, std, name)
        x = _cnn3d(x, frames, filters, depth, name)
    else:
        each = _frame_tower(frame_tower, x, units, mean, std, f"{name}_frame")
        x = flat(each(x)["vector"], frames, f"{name}_vectors")
        if variant == "gru":
            x = _gru(x, depth, dropout, bidirectional, name)
        else:
            x = _attention(x, depth, heads, dropout, name)

    return finish_tower(clip, x, units, dropout, name)


def _frame_tower(given, x, units, mean, std, name):
    """Returns a tower that reads one frame, from what the caller gave."""
    if isinstance(given, keras.Model):
        return as_tower(given, name, units, x.shape[1:], "uint8")
    if not isinstance(given or {}, Mapping):
        raise ValueError(
            "Argument `frame_tower` must be a Keras model, or arguments of "
            "`image_tower`, such as {'variant': 'resnet18'}. "
            f"Received: frame_tower={given!r}"
        )
    arguments = {"units": units, **(given or {})}
    if not arguments.get("pretrained"):
        arguments = {"mean": mean, "std": std, **arguments}
    return image_tower(*x.shape[1:], name=name, **arguments)


def _gru(x, depth, dropout, bidirectional, name):
    units = x.shape[-1]
    for i in range(depth):
        key = f"{name}_gru_{i}"
        x = layers.Dropout(dropout, name=f"{key}_dropout")(x)
        x = recurrence(x, "gru", units, bidirectional, key)
    return x


def _attention(x, depth, heads, dropout, name):
    mask = ops.ones_like(x[:, :, 0], dtype="float32")
    x = LearnedPosition(name=f"{name}_position")(x)
    for i in range(depth):
        x = transformer_block(x, mask, heads, dropout, f"{name}_block_{i}")
    return layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)


def _cnn3d(x, frames, filters, depth, name):
    for i in range(depth):
        for j in range(2):
            stride = 2 if i and not j else 1
            key = f"{name}_{i}_{j}"
            x, frames = spread_convolution(
                x, frames, filters * 2**i, stride, key
            )
    x = layers.GlobalAveragePooling2D(name=f"{name}_frame_vectors")(x)
    return flat(x, frames, f"{name}_vectors")

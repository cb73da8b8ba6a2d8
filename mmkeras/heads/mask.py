"""The head for masks: a U-Net decoder over the feature maps of a tower."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from mmkeras.heads.mask_loss import DiceCrossEntropy, MaskDice
from mmkeras.introspection import options_of

# Facts of the spec and of the data, beside the options of a recipe.
FACTS = ("size", "classes", "modality", "weight")


@dataclass(frozen=True, kw_only=True)
class Mask:
    """The class of each pixel of a picture, or of each voxel of a volume.

    A U-Net decoder: the coarsest feature map of the modality's tower is made
    larger level by level, and joined with the map of that size. The fused
    vector scales and shifts the coarsest map (FiLM), so that every other
    modality conditions what is marked.

    Args:
        size: Rows and columns of the mask; slices first, of a volume.
        classes: Number of classes, without the background.
        modality: Whose feature maps are read.
        filters: Filters of the finest level; None for those of the maps.
        dropout: Dropout rate at the coarsest map.
        dice: Weight of Dice in the loss, beside the cross-entropy.
        weight: Weight of the loss among several targets.

    Call arguments: fused `(batch, units)`, and `features`, the towers'
    outputs by modality, with `skips`. Output: `(batch, *size, outputs)`
    probabilities, float32: of the one class, or of the background and the
    classes. Labels are `(batch, *size)`; see `known_shares`.

    Source: Ronneberger et al., "U-Net", 2015 (arXiv 1505.04597); Perez et
    al., "FiLM", 2018 (arXiv 1709.07871).
    """

    size: tuple[int, ...]
    classes: int
    modality: str
    filters: int | None = None
    dropout: float = 0.0
    dice: float = 1.0
    weight: float = 1.0

    @property
    def needs(self) -> tuple[str, ...]:
        """Modalities that it cannot do without."""
        return (self.modality,)

    @property
    def outputs(self) -> int:
        """Probabilities of a pixel."""
        return 1 if self.classes == 1 else self.classes + 1

    def __call__(self, fused: Any, name: str, features: Any = None) -> Any:
        maps = (features or {}).get(self.modality, {}).get("skips")
        if not maps:
            raise ValueError(
                f"The head `{name}` must have the feature maps of "
                f"`{self.modality}`. Received: towers without `skips`"
            )
        x = FeatureWise(name=f"{name}_film")([maps[-1], fused])
        if self.dropout:
            x = layers.Dropout(self.dropout, name=f"{name}_dropout")(x)
        for level in reversed(range(len(maps) - 1)):
            skip, key = maps[level], f"{name}_{level}"
            x = enlarged(x, tuple(skip.shape[1:-1]), f"{key}_up")
            x = layers.Concatenate(name=f"{key}_join")([x, skip])
            filters = skip.shape[-1]
            if self.filters is not None:
                filters = self.filters * 2**level
            for i in range(2):
                x = _convolved(x, filters, f"{key}_{i}")
        make = layers.Conv2D if len(self.size) == 2 else layers.Conv3D
        x = make(self.outputs, 1, name=f"{name}_logits")(x)
        x = enlarged(x, self.size, f"{name}_whole")
        last = "sigmoid" if self.outputs == 1 else "softmax"
        return layers.Activation(last, name=name, dtype="float32")(x)

    def finish(self, output: Any, name: str) -> Any:
        raise ValueError(
            "A late fusion must have targets with one output a "
            f"sample. Received: the mask `{name}`; choose another fusion"
        )

    def loss(self) -> keras.losses.Loss:
        return DiceCrossEntropy(self.dice)

    def metrics(self) -> list[keras.metrics.Metric]:
        return [MaskDice(name="dice")]


MaskOptions = options_of(Mask, FACTS, roles={"filters": "width"})


def enlarged(x: Any, size: tuple[int, ...], name: str) -> Any:
    """Returns maps of a size; bilinear in a picture."""
    if tuple(x.shape[1:-1]) == size:
        return x
    if len(size) == 2:
        return layers.Resizing(*size, interpolation="bilinear", name=name)(x)
    # A device repeats voxels faster than it blends them in three axes.
    times = [-(-n // m) for n, m in zip(size, x.shape[1:-1], strict=True)]
    x = layers.UpSampling3D(times, name=name)(x)
    more = [m - n for n, m in zip(size, x.shape[1:-1], strict=True)]
    if any(more):
        cuts = [(n // 2, n - n // 2) for n in more]
        x = layers.Cropping3D(cuts, name=f"{name}_cut")(x)
    return x


def _convolved(x: Any, filters: int, name: str) -> Any:
    make = layers.Conv2D if len(x.shape) == 4 else layers.Conv3D
    x = make(filters, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
    # Keras' momentum of 0.99 lags behind a training of a minute.
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


@keras.saving.register_keras_serializable(package="mmkeras")
class FeatureWise(layers.Layer):
    """Scales and shifts the channels of a map by functions of a vector.

    At first it changes nothing.

    Call arguments: a list of the map `(batch, ..., d)` and of the vector
    `(batch, units)`.
    """

    def build(self, shapes):
        width = shapes[0][-1]
        for key in ("scale", "shift"):
            dense = layers.Dense(
                width, kernel_initializer="zeros", dtype=self.dtype_policy
            )
            dense.build(shapes[1])
            setattr(self, key, dense)

    def call(self, inputs):
        x, vector = inputs
        shape = (-1,) + (1,) * (len(x.shape) - 2) + (x.shape[-1],)
        scale = ops.reshape(1 + self.scale(vector), shape)
        shift = ops.reshape(self.shift(vector), shape)
        # The small one first: TensorFlow's backend may take it for a bias.
        return ops.add(shift, scale * x)

    def compute_output_shape(self, shapes):
        return shapes[0]

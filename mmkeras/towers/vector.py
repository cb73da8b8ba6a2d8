"""Vector tower: a row of numbers in raw units, where cells may be missing."""

from collections.abc import Sequence

import keras
from keras import layers, ops

from mmkeras.towers.image import check_sizes

# Standard deviations; what lies beyond is an error of the sensor as a rule,
# and one such value would take all steps of an int8 range.
LIMIT = 10.0


@keras.saving.register_keras_serializable(package="mmkeras")
class MissingCells(layers.Layer):
    """Tells missing cells from known ones.

    Output shape: that of the input, float32, 1 where the input is NaN.

    Example:

    >>> MissingCells()(np.array([[2.0, np.nan]]))  # [[0., 1.]]
    """

    def call(self, x):
        return ops.cast(ops.isnan(x), "float32")


@keras.saving.register_keras_serializable(package="mmkeras")
class FillMissing(layers.Layer):
    """Puts 0 in place of NaN and cuts what lies beyond a limit.

    Args:
        limit: float, largest absolute value that passes.
    """

    def __init__(self, limit=LIMIT, **kwargs):
        super().__init__(**kwargs)
        self.limit = limit

    def call(self, x):
        known = ops.where(ops.isnan(x), ops.zeros_like(x), x)
        return ops.minimum(ops.maximum(known, -self.limit), self.limit)


def vector_tower(
    size: int,
    name: str = "vector",
    units: int = 64,
    mean: Sequence[float] | None = None,
    variance: Sequence[float] | None = None,
    depth: int = 2,
    width: int = 64,
    dropout: float = 0.0,
) -> keras.Model:
    """Builds a tower that reads a row of numbers.

    Each column is normalised, cut at 10 standard deviations, and read by a
    small multilayer perceptron. A missing cell (NaN) counts as the mean of
    its column; that it is missing reaches the first layer as well, through
    weights that start at 0 and stay there if nothing is ever missing.

    Args:
        size: Columns of the row.
        name: Name of the modality, and of the input.
        units: Width of the vector and of the one token.
        mean: Mean of each column over the training rows. Defaults to 0.
        variance: Variance of each column; 0 for a constant one. Defaults to 1.
        depth: Hidden layers.
        width: Units of a hidden layer.
        dropout: Share of hidden units dropped.

    Returns:
        Model from float32 `(batch, size)` to `{"vector": (batch, units),
        "tokens": (batch, 1, units), "mask": (batch, 1)}`; the mask is all
        ones.

    Example:

    >>> tower = vector_tower(2, mean=[20.0, 1013.0], variance=[25.0, 64.0])
    >>> tower(np.array([[21.5, np.nan]]))["vector"].shape
    TensorShape([1, 64])
    """
    check_sizes(size=size, units=units, depth=depth, width=width)
    row = keras.Input((size,), dtype="float32", name=name)

    missing = MissingCells(name=f"{name}_missing")(row)
    x = FillMissing(name=f"{name}_fill_missing")(
        _normalise(row, mean, variance, name)
    )

    known = layers.Dense(width, name=f"{name}_known")(x)
    missing = layers.Dense(
        width,
        use_bias=False,
        kernel_initializer="zeros",
        name=f"{name}_if_missing",
    )(missing)
    x = layers.ReLU(name=f"{name}_relu_0")(
        layers.Add(name=f"{name}_known_and_missing")([known, missing])
    )
    x = layers.Dropout(dropout, name=f"{name}_dropout_0")(x)
    for i in range(1, depth):
        x = layers.Dense(width, activation="relu", name=f"{name}_hidden_{i}")(x)
        x = layers.Dropout(dropout, name=f"{name}_dropout_{i}")(x)

    vector = layers.Dense(units, name=f"{name}_vector")(x)
    tokens = layers.Reshape((1, units), name=f"{name}_tokens")(vector)
    outputs = {
        "vector": vector,
        "tokens": tokens,
        "mask": ops.ones_like(tokens[:, :, 0], dtype="float32"),
    }
    return keras.Model(row, outputs, name=f"{name}_tower")


def _normalise(row, mean, variance, name):
    size = row.shape[-1]
    mean, variance = mean or [0.0] * size, variance or [1.0] * size
    for key, values in {"mean": mean, "variance": variance}.items():
        if len(values) != size:
            raise ValueError(
                f"Argument `{key}` must have one number for each of the {size} "
                f"columns. Received: {len(values)} numbers"
            )
    if min(variance) < 0:
        raise ValueError(
            "Argument `variance` must not be negative. Received: "
            f"variance={list(variance)}"
        )
    # Subtract first: x * scale - mean * scale loses all digits of a column
    # such as a time stamp, whose mean is far larger than its spread.
    x = layers.Rescaling(1.0, [-m for m in mean], name=f"{name}_centre")(row)
    scale = [v**-0.5 if v else 1.0 for v in variance]
    return layers.Rescaling(scale, name=f"{name}_scale")(x)

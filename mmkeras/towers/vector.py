"""Vector tower: a row of a table, where cells may be missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from mmkeras.options import Part, Variants, option
from mmkeras.towers.column_groups import VectorGroups, grouped
from mmkeras.towers.masked_layers import transformer_block
from mmkeras.towers.tabular import (
    PROJECTIONS,
    CategoryIds,
    Columns,
    FeatureTokens,
    FillMissing,
    FrozenProjection,
    MissingCells,
    check_columns,
    check_projection,
    fit_projection,
    look_up_categories,
)
from mmkeras.towers.tower_options import TowerOptions
from mmkeras.values import COUNT, one_of, or_none

# In the names of layers that see raw units, which no export may narrow: int8
# and float16 have no room for a time stamp, and none for NaN.
RAW = "raw_cells"


@dataclass(frozen=True, kw_only=True)
class VectorMlp(TowerOptions):
    """Options of hidden layers over a whole row.

    Args:
        dropout: Share of hidden units dropped.
        depth: Hidden layers.
        width: Units of a hidden layer.
        projection: "pca" or "ica" (whitening and FastICA): axes that are
            fitted on the training rows when the tower is built, and frozen.
        components: Axes of `projection`.
    """

    depth: int = option(2, COUNT)
    width: int = option(64, COUNT, role="width")
    projection: str | None = option(None, or_none(one_of(*PROJECTIONS)))
    components: int = option(8, COUNT, "axes")


@dataclass(frozen=True, kw_only=True)
class VectorTransformer(TowerOptions):
    """Options of a token a column, read by a transformer.

    Args:
        depth: Transformer blocks.
        heads: Attention heads; divides `units`.
    """

    depth: int = option(2, COUNT)
    heads: int = option(4, COUNT, role="parts")


def vector_tower(
    size: int,
    name: str = "vector",
    variant: str = "mlp",
    *,
    mean: Sequence[float] | None = None,
    variance: Sequence[float] | None = None,
    categories: Sequence[int] = (),
    rows: np.ndarray | None = None,
    **options: Any,
) -> keras.Model:
    """Builds a tower that reads a row of a table.

    Each number is normalised and cut at 10 standard deviations. A missing one
    (NaN) counts as the mean of its column; that it is missing reaches the
    first layer as well, through weights that start at 0 and stay there if
    nothing is ever missing. Categories are looked up in a learned table; one
    that is missing, or was not there in training, starts at 0 as well.

    `"mlp"` suits most tables, and is the smallest. `"ft_transformer"` makes a
    token of each column, which other modalities can attend to; it wins where
    columns matter together, and costs the square of their number (Gorishniy
    et al. 2021, https://arxiv.org/abs/2106.11959). `"grouped"` is for tens of
    thousands of columns, such as genes: groups of neighbours are tokens.

    Args:
        size: Columns with numbers, the first of the row; may be 0 where there
            are `categories`.
        name: Name of the modality, and of the input.
        variant: `"mlp"`, `"ft_transformer"` or `"grouped"`.
        mean: Mean of each number over the training rows. Defaults to 0.
        variance: Variance of each number; 0 for a constant one. Defaults to 1.
        categories: Known categories of each further column, which holds an
            index: 0 = missing, 1 = unknown, known ones from 2.
        rows: `(rows, columns)`, the training rows to fit `projection` on.
        options: Those of the variant: `units` (64), `dropout`, and what
            `VectorMlp`, `VectorTransformer` or `VectorGroups` have.

    Returns:
        Model from float32 `(batch, columns)` to `{"vector": (batch, units),
        "tokens": (batch, t, units), "mask": (batch, t)}`, `t` being 1, or the
        columns with "ft_transformer", or the groups; the mask is all ones.

    Raises:
        ValueError: If arguments do not fit each other.

    Example:

    >>> tower = vector_tower(2, mean=[20.0, 1013.0], variance=[25.0, 64.0],
    ...                      categories=[3])
    >>> tower(np.array([[21.5, np.nan, 2.0]]))["vector"].shape
    TensorShape([1, 64])
    """
    chosen = VECTOR_TOWERS.read({"variant": variant, **options})
    check_columns(size, categories)
    row = keras.Input((size + len(categories),), dtype="float32", name=name)
    numbers, missing = _numbers(row, size, mean, variance, name)
    ids = _category_ids(row, size, categories, name)
    if getattr(chosen, "projection", None):
        numbers = _project(row, numbers, rows, chosen, name)
    columns = numbers, missing, ids, categories
    outputs = VECTOR_TOWERS.build(chosen)(*columns, chosen, name)
    return keras.Model(row, outputs, name=f"{name}_tower")


def _mlp(numbers, missing, ids, categories, options, name):
    width = options.width
    x = _first_layer(numbers, missing, ids, categories, width, name)
    size = options.units, options.depth
    vector = _hidden_layers(x, *size, options.dropout, name)
    tokens = layers.Reshape((1, options.units), name=f"{name}_tokens")(vector)
    mask = ops.ones_like(tokens[:, :, 0], dtype="float32")
    return {"vector": vector, "tokens": tokens, "mask": mask}


def _transformer(numbers, missing, ids, categories, options, name):
    units = options.units
    x = _features(numbers, missing, ids, categories, units, name)
    mask = ops.ones_like(x[:, :, 0], dtype="float32")
    rates = options.heads, options.dropout
    for i in range(options.depth):
        x = transformer_block(x, mask, *rates, f"{name}_block_{i}")
    norm = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_tokens")
    tokens = norm(x)
    vector = layers.GlobalAveragePooling1D(name=f"{name}_vector")(tokens)
    return {"vector": vector, "tokens": tokens, "mask": mask}


def _project(row, numbers, rows, options, name):
    check_projection(numbers, rows)
    kind, components = options.projection, options.components
    fitted = keras.Model(row, numbers).predict(rows, verbose=0)
    layer = FrozenProjection(components, name=f"{name}_{kind}")
    axes = fit_projection(fitted, kind, components)
    projected = layer(numbers)
    layer.set_weights(axes)
    return projected


def _numbers(row, size, mean, variance, name):
    """Returns the numbers, normalised and filled, and which are missing."""
    if not size:
        return None, None
    name = f"{name}_{RAW}"
    if size < row.shape[-1]:
        row = Columns(0, size, name=f"{name}_numbers", dtype="float32")(row)
    missing = MissingCells(name=f"{name}_missing", dtype="float32")(row)
    fill = FillMissing(name=f"{name}_fill", dtype="float32")
    return fill(_normalise(row, mean, variance, name)), missing


def _category_ids(row, size, categories, name):
    if not categories:
        return None
    name = f"{name}_{RAW}"
    if size:
        cut = Columns(
            size, row.shape[-1], name=f"{name}_indices", dtype="float32"
        )
        row = cut(row)
    return CategoryIds(categories, name=f"{name}_categories")(row)


def _first_layer(numbers, missing, ids, categories, width, name):
    parts = []
    if numbers is not None:
        parts.append(layers.Dense(width, name=f"{name}_known")(numbers))
        if_missing = layers.Dense(
            width,
            use_bias=False,
            kernel_initializer="zeros",
            name=f"{name}_if_missing",
        )
        parts.append(if_missing(missing))
    if ids is not None:
        # A dense layer on one-hot categories, without the many zeros.
        rows = look_up_categories(ids, categories, width, name)
        parts.append(ops.sum(rows, axis=1))
    if len(parts) == 1:
        return parts[0]
    return layers.Add(name=f"{name}_known_and_missing")(parts)


def _hidden_layers(x, units, depth, dropout, name):
    x = layers.ReLU(name=f"{name}_relu_0")(x)
    x = layers.Dropout(dropout, name=f"{name}_dropout_0")(x)
    for i in range(1, depth):
        hidden = layers.Dense(
            x.shape[-1], activation="relu", name=f"{name}_hidden_{i}"
        )
        x = layers.Dropout(dropout, name=f"{name}_dropout_{i}")(hidden(x))
    return layers.Dense(units, name=f"{name}_vector")(x)


def _features(numbers, missing, ids, categories, units, name):
    parts = []
    if numbers is not None:
        features = FeatureTokens(units, name=f"{name}_features")
        parts.append(features(numbers, missing))
    if ids is not None:
        parts.append(look_up_categories(ids, categories, units, name))
    if len(parts) == 1:
        return parts[0]
    return layers.Concatenate(axis=1, name=f"{name}_columns")(parts)


def _normalise(row, mean, variance, name):
    size = row.shape[-1]
    mean = [0.0] * size if mean is None else mean
    variance = [1.0] * size if variance is None else variance
    for key, values in {"mean": mean, "variance": variance}.items():
        if len(values) != size:
            raise ValueError(
                f"`{key}` must have one number for each of the {size} "
                f"columns. Received: {len(values)} numbers"
            )
    if min(variance) < 0:
        raise ValueError(
            "`variance` must not be negative. Received: "
            f"variance={list(variance)}"
        )
    # Subtract first: x * scale - mean * scale loses all digits of a column
    # such as a time stamp, whose mean is far larger than its spread.
    centre = layers.Rescaling(
        1.0, [-m for m in mean], name=f"{name}_centre", dtype="float32"
    )
    scale = layers.Rescaling(
        [v**-0.5 if v else 1.0 for v in variance],
        name=f"{name}_scale",
        dtype="float32",
    )
    return scale(centre(row))


VECTOR_TOWERS = Variants(
    "variant",
    "mlp",
    {
        "mlp": Part(VectorMlp, _mlp),
        "ft_transformer": Part(VectorTransformer, _transformer),
        "grouped": Part(VectorGroups, grouped),
    },
)

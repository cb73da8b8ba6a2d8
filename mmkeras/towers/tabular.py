"""Layers for rows of a table: missing cells, categories, projections."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

# Standard deviations; what lies beyond is an error of the sensor as a rule,
# and one such value would take all steps of an int8 range.
LIMIT = 10.0
# Index of a category: these two, then the known ones.
MISSING, UNKNOWN = 0, 1
PROJECTIONS = ("ica", "pca")


@keras.saving.register_keras_serializable(package="mmkeras")
class Columns(layers.Layer):
    """Takes some neighbouring columns of a row.

    Args:
        start: integer, the first column.
        stop: integer, the first one that is left out.

    Input shape: `(batch, columns)`.

    Output shape: `(batch, stop - start)`.
    """

    def __init__(self, start, stop, **kwargs):
        super().__init__(**kwargs)
        self.start = start
        self.stop = stop

    def call(self, x):
        return x[:, self.start : self.stop]


@keras.saving.register_keras_serializable(package="mmkeras")
class MissingCells(layers.Layer):
    """Tells missing cells from known ones.

    Output shape: that of the input, float32, 1 where the input is NaN.

    Example:

    >>> MissingCells()(np.array([[2.0, np.nan]])).numpy().tolist()
    [[0.0, 1.0]]
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


@keras.saving.register_keras_serializable(package="mmkeras")
class CategoryIds(layers.Layer):
    """Makes rows of one embedding table from indices of categories.

    Every column has its own part of the table: a row for missing, one for
    unknown, and one for each known category. No index can lie outside: NaN
    counts as missing, and what is no index as unknown.

    Args:
        sizes: list of integers, known categories of each column.

    Input shape: `(batch, columns)`, float32; 0 = missing, 1 = unknown.

    Output shape: `(batch, columns)`, int32.

    Example:

    >>> rows = np.array([[4.0, np.nan], [5.0, 2.0]])
    >>> CategoryIds([3, 2])(rows).numpy().tolist()
    [[4, 5], [1, 7]]
    """

    def __init__(self, sizes, **kwargs):
        # float16 has no exact integers above 2,048.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.sizes = list(sizes)

    def call(self, x):
        last = ops.convert_to_tensor([n + 1 for n in self.sizes], x.dtype)
        filled = ops.where(ops.isnan(x), ops.zeros_like(x), x)
        inside = ops.logical_and(filled >= 0, filled <= last)
        index = ops.where(inside, filled, ops.ones_like(filled) * UNKNOWN)
        starts = ops.convert_to_tensor(starts_of(self.sizes), "int32")
        return ops.cast(index, "int32") + starts

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, "int32")


def starts_of(sizes: Sequence[int]) -> list[int]:
    """Returns where each column's part of the table starts."""
    return [sum(sizes[:i]) + 2 * i for i in range(len(sizes))]


def look_up_categories(ids, categories, units, name):
    """Returns a learned vector a category: (batch, columns, units)."""
    table = layers.Embedding(
        sum(size + 2 for size in categories),
        units,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=units**-0.5
        ),
        name=f"{name}_categories",
    )
    found = table(ids)
    # What training may never show has to stay neutral.
    values = np.array(ops.convert_to_numpy(table.embeddings))
    for start in starts_of(categories):
        values[[start + MISSING, start + UNKNOWN]] = 0
    table.embeddings.assign(values)
    return found


@keras.saving.register_keras_serializable(package="mmkeras")
class FeatureTokens(layers.Layer):
    """Turns each number of a row into a token: its value times a vector.

    A missing number is a state of its own: its token is a learned vector.

    Args:
        units: integer, width of a token.

    Call arguments:
        x: `(batch, columns)`, 0 where missing.
        missing: `(batch, columns)`, 1 where missing.

    Output shape: `(batch, columns, units)`.

    Reference: Gorishniy et al. 2021, https://arxiv.org/abs/2106.11959
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        small = keras.initializers.RandomUniform(
            -(self.units**-0.5), self.units**-0.5
        )
        self.scale = self.add_weight(shape, initializer=small, name="scale")
        self.bias = self.add_weight(shape, initializer=small, name="bias")
        self.if_missing = self.add_weight(
            shape, initializer="zeros", name="if_missing"
        )

    def call(self, x, missing):
        missing = ops.cast(ops.expand_dims(missing, -1), x.dtype)
        tokens = ops.expand_dims(x, -1) * self.scale + self.bias
        return tokens + missing * self.if_missing


@keras.saving.register_keras_serializable(package="mmkeras")
class FrozenProjection(layers.Layer):
    """Projects rows on axes that were fitted before, and are frozen.

    Args:
        components: integer, axes.

    Input shape: `(batch, columns)`.

    Output shape: `(batch, components)`.
    """

    def __init__(self, components, **kwargs):
        super().__init__(**kwargs)
        self.components = components

    def build(self, input_shape):
        columns = input_shape[-1]
        self.mean = self.add_weight(
            (columns,), initializer="zeros", trainable=False, name="mean"
        )
        self.axes = self.add_weight(
            (columns, self.components), trainable=False, name="axes"
        )

    def call(self, x):
        return ops.matmul(x - self.mean, self.axes)


def check_columns(size: int, categories: Sequence[int]) -> None:
    """Raises ValueError unless these are counts, and one is not 0."""
    counts = [size, *categories]
    if any(type(n) is not int or n < 0 for n in counts) or not (
        size or categories
    ):
        raise ValueError(
            "`size` must be a positive integer, or 0 where there are "
            "`categories`, numbers of known categories. Received: "
            f"size={size!r}, categories={list(categories)}"
        )


def check_projection(numbers: Any, rows: np.ndarray | None) -> None:
    """Raises ValueError unless a projection can be fitted, and used."""
    if numbers is None:
        raise ValueError(
            "`projection` needs columns with numbers. Received: size=0"
        )
    if rows is None:
        raise ValueError(
            "`rows` must hold the training rows that `projection` is "
            "fitted on. Received: none"
        )


def fit_projection(
    rows: np.ndarray, kind: str, components: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fits the weights of a `FrozenProjection`, by scikit-learn.

    Args:
        rows: `(rows, columns)`, of the training split, nothing missing.
        kind: "pca" (principal components) or "ica" (whitening and FastICA).
        components: Axes to keep.

    Returns:
        Mean `(columns,)` and axes `(columns, components)`, such that
        `(rows - mean) @ axes` is scikit-learn's `transform(rows)`.

    Raises:
        ValueError: If there are fewer rows or columns than components, or, for
            "ica", fewer that do not depend on each other.
    """
    from sklearn.decomposition import PCA, FastICA

    if components > min(rows.shape):
        raise ValueError(
            "`components` must be at most the number of columns and "
            f"of training rows. Received: components={components} with "
            f"{rows.shape[1]} columns and {rows.shape[0]} rows"
        )
    rows = np.asarray(rows, "float64")
    # The rank within float32 precision, since the rows were stored so.
    spread = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    rank = int((spread > 1e-5 * spread.max()).sum())
    if kind == "ica" and components > rank:
        # Whitening would divide by rounding errors.
        raise ValueError(
            "`components` must be at most the number of independent "
            f"columns for projection='ica'. Received: components={components} "
            f"with {rank} of {rows.shape[1]} columns that are neither constant "
            "nor sums of others"
        )
    if kind == "pca":
        fitted = PCA(components, svd_solver="full")
    else:
        fitted = FastICA(
            components,
            whiten="unit-variance",
            max_iter=1000,
            random_state=0,
        )
    # FastICA also divides by the axes that it then leaves out.
    with np.errstate(divide="ignore", invalid="ignore"):
        fitted.fit(rows)
    return fitted.mean_, fitted.components_.T

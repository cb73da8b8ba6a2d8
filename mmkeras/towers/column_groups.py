"""Rows of very many columns, as of genes: a small layer for each group."""

from dataclasses import dataclass

from keras import layers, ops

from mmkeras.options import option
from mmkeras.towers.masked_layers import LearnedPosition
from mmkeras.towers.tabular import look_up_categories
from mmkeras.towers.tower_options import TowerOptions
from mmkeras.values import COUNT


@dataclass(frozen=True, kw_only=True)
class VectorGroups(TowerOptions):
    """Options of groups of columns that each have a small layer of their own.

    Args:
        dropout: Share of hidden units dropped.
        groups: Groups of neighbouring columns, each of which is a token; the
            last ones may be shorter.
        width: Features of a group, each a weighted sum of its columns.
        depth: Hidden layers over the features of all groups.
    """

    groups: int = option(64, COUNT)
    width: int = option(8, COUNT, role="width")
    depth: int = option(2, COUNT)


def grouped(numbers, missing, ids, categories, options, name):
    """Returns the outputs of a tower of groups.

    A dense layer of 64 units over 20,000 columns has 1.3 million weights, and
    as many for what is missing; 8 features of each group have an eighth of
    that, whatever the number of groups.

    Args:
        numbers: `(batch, columns)`, normalised, 0 where missing; or None.
        missing: The same shape, 1 where missing.
        ids: `(batch, further columns)`, indices of categories; or None.
        categories: Known categories of each of those.
        options: A `VectorGroups`.
        name: Start of the layers' names.
    """
    units, width, parts = options.units, options.width, []
    if numbers is not None:
        groups = min(options.groups, numbers.shape[-1])
        known = _sums(numbers, groups, width, f"{name}_groups")
        # Weights that start at 0 stay there if nothing is ever missing.
        lost = _sums(
            missing, groups, width, f"{name}_groups_missing", zeros=True
        )
        both = layers.Add(name=f"{name}_known_and_missing")
        parts.append(both([known, lost]))
    if ids is not None:
        parts.append(look_up_categories(ids, categories, width, name))
    x = parts[0]
    if len(parts) > 1:
        x = layers.Concatenate(axis=1, name=f"{name}_columns")(parts)
    x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.Dropout(options.dropout, name=f"{name}_dropout")(x)
    tokens = layers.Dense(units, name=f"{name}_each")(x)
    tokens = LearnedPosition(name=f"{name}_tokens")(tokens)
    y = layers.Flatten(name=f"{name}_flat")(x)
    for i in range(1, options.depth):
        y = layers.Dense(units, activation="relu", name=f"{name}_hidden_{i}")(y)
        y = layers.Dropout(options.dropout, name=f"{name}_dropout_{i}")(y)
    y = layers.Dense(units, name=f"{name}_whole")(y)
    # With the mean, tokens learn under a fusion that reads vectors alone.
    mean = layers.GlobalAveragePooling1D(name=f"{name}_mean")(tokens)
    return {
        "vector": layers.Add(name=f"{name}_vector")([y, mean]),
        "tokens": tokens,
        "mask": ops.ones_like(tokens[:, :, 0], dtype="float32"),
    }


def _sums(x, groups, width, name, zeros=False):
    """Returns `width` weighted sums of each group: `(batch, groups, width)`.

    A convolution a channel, the groups being channels: int8 runtimes know it.
    """
    each = -(-x.shape[-1] // groups)
    x = layers.Reshape((x.shape[-1], 1), name=f"{name}_cells")(x)
    spare = groups * each - x.shape[1]
    if spare:
        x = layers.ZeroPadding1D((0, spare), name=f"{name}_filled")(x)
    x = layers.Reshape((groups, each), name=f"{name}_rows")(x)
    x = layers.Permute((2, 1), name=f"{name}_across")(x)
    x = layers.Reshape((1, each, groups), name=f"{name}_map")(x)
    initial = {"depthwise_initializer": "zeros"} if zeros else {}
    x = layers.DepthwiseConv2D(
        (1, each),
        depth_multiplier=width,
        use_bias=not zeros,
        name=name,
        **initial,
    )(x)
    return layers.Reshape((groups, width), name=f"{name}_features")(x)

"""Point towers: clouds of lidar or radar in, one vector and one row a part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from mmkeras.arguments import check_positive
from mmkeras.options import Part, Variants, option
from mmkeras.towers.masked_layers import HidePadding, MaskedMean
from mmkeras.towers.pillars import PillarMax, PillarPlaces
from mmkeras.towers.tabular import FillMissing, MissingCells
from mmkeras.towers.temporal import (
    KnownSteps,
    convolve,
    flat,
    normalise,
    standardise,
)
from mmkeras.towers.tower_options import TowerOptions
from mmkeras.values import COUNT


@dataclass(frozen=True, kw_only=True)
class PointNet(TowerOptions):
    """Options of a layer shared by all points, and the largest of what it saw.

    Args:
        dropout: Share of features dropped before the last layer.
        width: Filters of the first layer; each next one has twice as many.
        depth: Layers that read each point by itself.
        stride: Points of a token: neighbours, since points come in an order
            that keeps them together.
    """

    width: int = option(32, COUNT, role="width")
    depth: int = option(3, COUNT)
    stride: int = option(16, COUNT, "points")


@dataclass(frozen=True, kw_only=True)
class Pillars(TowerOptions):
    """Options of a map from above, whose cells are pillars of points.

    Args:
        dropout: Share of features dropped before the last layer.
        width: Features of a pillar, and filters of the first stage; each next
            one has twice as many.
        cells: Pillars along each side of the crop box.
        stages: Stages of two convolutions; each halves both sides.
    """

    width: int = option(32, COUNT, role="width")
    cells: int = option(32, COUNT)
    stages: int = option(3, COUNT)


def points_tower(
    points: int,
    columns: int,
    name: str = "points",
    variant: str = "pointnet",
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    crop_m: Sequence[float] | None = None,
    **options: Any,
) -> keras.Model:
    """Builds a tower that reads one cloud of points.

    Each column is normalised and cut at 10 standard deviations; a point that
    is not there is NaN in all columns, and has no influence.

    | variant | good for |
    | --- | --- |
    | `"pointnet"` | one thing and its shape; any extent |
    | `"pillars"` | a street: where things are, seen from above |

    Args:
        points: Points of a cloud, of which some may be missing.
        columns: Numbers a point; the first three are x, y and z in metres.
        name: Name of the modality, and of the input.
        variant: One of the table above.
        mean: Mean of each column over the training data. Defaults to 0.
        std: Its standard deviation; 0 for a constant one. Defaults to 1.
        crop_m: The box of the points, least x, y, z and then largest, in
            metres; `"pillars"` divides it into cells.
        options: Those of the variant: `units` (64), `dropout` (0.0), and what
            `PointNet` or `Pillars` have.

    Returns:
        Model from float32 `(batch, points, columns)`, NaN = no point, to
        `{"vector": (batch, units), "tokens": (batch, parts, units), "mask":
        (batch, parts)}`; the mask is 0 where a part has no point.

    Source: "pointnet": Qi et al., 2017 (arXiv 1612.00593), without its
    transforms, and with a maximum over neighbours before that over all.
    "pillars": Lang et al., "PointPillars", 2019 (arXiv 1812.05784).

    Example:

    >>> tower = points_tower(256, 4)
    >>> tower(np.zeros((2, 256, 4), "float32"))["tokens"].shape
    TensorShape([2, 16, 64])
    """
    chosen = POINT_TOWERS.read({"variant": variant, **options})
    check_positive(points=points)
    if columns < 3:
        raise ValueError(
            "`columns` must be at least 3: x, y and z. Received: "
            f"columns={columns}"
        )
    cloud = keras.Input((points, columns), dtype="float32", name=name)

    missing = MissingCells(name=f"{name}_missing")(cloud)
    known = KnownSteps(dtype="float32", name=f"{name}_known")(missing)
    x = FillMissing(dtype="float32", name=f"{name}_fill_missing")(
        standardise(cloud, mean, std, name)
    )
    build = POINT_TOWERS.build(chosen)
    outputs = build(cloud, x, known, crop_m, chosen, name)
    return keras.Model(cloud, outputs, name=f"{name}_tower")


def _each_point(x, known, filters, name):
    """A dense layer that all points share; zeros where there is none."""
    x = layers.Conv1D(filters, 1, use_bias=False, name=f"{name}_conv")(x)
    return HidePadding(name=f"{name}_hide")(normalise(x, name), known[:, :, 0])


def _pointnet(cloud, x, known, crop_m, options, name):
    points, stride = x.shape[1], options.stride
    if stride > points:
        raise ValueError(
            "`stride` must not exceed `points`. Received: "
            f"stride={stride}, points={points}"
        )
    for i in range(options.depth):
        x = _each_point(x, known, options.width * 2**i, f"{name}_{i}")
    # What is not there is 0, and nothing is below it.
    pool = {"pool_size": stride, "padding": "same"}
    x = layers.MaxPooling1D(**pool, name=f"{name}_parts")(x)
    known = layers.MaxPooling1D(
        **pool, dtype="float32", name=f"{name}_known_parts"
    )(known)
    vector = layers.GlobalMaxPooling1D(name=f"{name}_largest")(x)
    x = layers.Dropout(options.dropout, name=f"{name}_dropout")(x)
    vector = layers.Dropout(options.dropout, name=f"{name}_whole_dropout")(
        vector
    )
    tokens = layers.Dense(options.units, name=f"{name}_tokens")(x)
    mask = known[:, :, 0]
    # With the mean, tokens learn under a fusion that reads vectors alone.
    mean = MaskedMean(name=f"{name}_mean")(tokens, mask)
    vector = layers.Dense(options.units, name=f"{name}_whole")(vector)
    return {
        "vector": layers.Add(name=f"{name}_vector")([vector, mean]),
        "tokens": tokens,
        "mask": mask,
    }


def _pillars(cloud, x, known, crop_m, options, name):
    if crop_m is None:
        raise ValueError(
            "`crop_m` must say which box the pillars of a cloud divide. "
            "Received: variant='pillars' without it. Or choose 'pointnet'"
        )
    cells, width = options.cells, options.width
    if cells % 2**options.stages:
        raise ValueError(
            "`cells` must be a multiple of 2 for each of `stages`. Received: "
            f"cells={cells}, stages={options.stages}"
        )
    places, offsets = PillarPlaces(
        [*crop_m[:2], *crop_m[3:5]], cells, name=f"{name}_places"
    )(cloud)
    x = layers.Concatenate(name=f"{name}_with_offsets")([x, offsets])
    x = _each_point(x, known, width, f"{name}_each")
    x = PillarMax(cells, name=f"{name}_pillars")(x, places)
    known = PillarMax(cells, dtype="float32", name=f"{name}_known_pillars")(
        known, places
    )
    for i in range(options.stages):
        key = f"{name}_{i}"
        x = convolve(x, width * 2**i, 3, 2, f"{key}_0")
        x = convolve(x, width * 2**i, 3, 1, f"{key}_1")
        known = layers.MaxPooling2D(2, dtype="float32", name=f"{key}_known")(
            known
        )
    x = flat(x, 1, f"{name}_cells")
    known = flat(known, 1, f"{name}_known_cells")
    x = layers.Dropout(options.dropout, name=f"{name}_dropout")(x)
    tokens = layers.Dense(options.units, name=f"{name}_tokens")(x)
    mask = known[:, :, 0]
    return {
        "vector": MaskedMean(name=f"{name}_vector")(tokens, mask),
        "tokens": tokens,
        "mask": mask,
    }


POINT_TOWERS = Variants(
    "variant",
    "pointnet",
    {
        "pointnet": Part(PointNet, _pointnet),
        "pillars": Part(Pillars, _pillars),
    },
)

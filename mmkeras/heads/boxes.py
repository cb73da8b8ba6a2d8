"""The head for boxes in a picture."""

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import layers

from mmkeras.arguments import check_positive
from mmkeras.heads.box_layers import CellsToBoxes
from mmkeras.heads.box_losses import BoxLoss, BoxOverlap
from mmkeras.heads.layers import drop
from mmkeras.introspection import options_of

# Convolutions of a level before its answer.
DEPTH = 2
# At first a cell is a centre with a probability of 0.02.
RARE = -4.0


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Boxes of several classes, without anchors, on several levels.

    The coarsest feature maps of a tower's `skips` become levels: each gets
    what the coarser one knows (a feature pyramid), and a scale and a shift of
    each channel made of the fused vector (FiLM), so that every modality has a
    say. Two convolutions later each cell tells whether it is the centre of a
    box of a class, and how far the sides are.

    Args:
        classes: Number of classes.
        modality: Whose feature maps are read.
        levels: Feature maps that are read, counted from the coarsest; fewer
            where the tower has fewer.
        filters: Filters of every level.
        size_weight: Weight of the boxes' overlap against that of finding
            their centres.
        dropout: Dropout rate of the fused vector.
        weight: Weight of the loss among several targets.

    Call arguments: fused `(batch, units)`, and `features`, the towers'
    outputs by modality, with `skips`. Output: `(batch, cells, 8 + classes)`,
    float32, see `CellsToBoxes`; labels are `(batch, boxes, 5)`: left, top,
    right, bottom in shares of the picture, and the class, -1 for no box.

    Source: Lin et al., "Feature Pyramid Networks", 2017 (arXiv 1612.03144);
    Perez et al., "FiLM", 2018 (arXiv 1709.07871); see `BoxLoss`.
    """

    classes: int
    modality: str
    levels: int = 3
    filters: int = 64
    size_weight: float = 2.0
    dropout: float = 0.0
    weight: float = 1.0
    activation: ClassVar[str] = "sigmoid"
    # Of a late fusion, which `finish` refuses.
    outputs: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_positive(levels=self.levels, filters=self.filters)
        if not self.size_weight > 0:
            raise ValueError(
                "`size_weight` must be above 0. Received: "
                f"size_weight={self.size_weight}"
            )

    @property
    def needs(self) -> tuple[str, ...]:
        """Modalities that it cannot do without."""
        return (self.modality,)

    def __call__(self, fused: Any, name: str, features: Any = None) -> Any:
        maps = (features or {}).get(self.modality, {}).get("skips")
        if not maps:
            raise ValueError(
                "`features` must have the feature maps, `skips`, of "
                f"`{self.modality}` for the boxes `{name}`. Received: "
                f"{sorted(features or {})}"
            )
        fused = drop(fused, name, self.dropout)
        above, rows, grids = None, [], []
        for place, x in enumerate(reversed(maps[-self.levels :])):
            key = f"{name}_level_{place}"
            x = layers.Conv2D(self.filters, 1, name=f"{key}_lateral")(x)
            if above is not None:
                x = layers.Add(name=f"{key}_joined")(
                    [x, _spread(above, x, key)]
                )
            above = x
            x = self._conditioned(x, fused, key)
            rows.append(self._cells(x, key))
            grids.append(x.shape[1:3])
        if len(rows) > 1:
            rows = [layers.Concatenate(axis=1, name=f"{name}_cells")(rows)]
        # In float32, and in float in an int8 file: places are small numbers.
        return CellsToBoxes(grids, name=name, dtype="float32")(rows[0])

    def _conditioned(self, x: Any, fused: Any, key: str) -> Any:
        shape = (1, 1, self.filters)
        scale = layers.Dense(
            self.filters, bias_initializer="ones", name=f"{key}_scale"
        )(fused)
        shift = layers.Dense(self.filters, name=f"{key}_shift")(fused)
        scale = layers.Reshape(shape, name=f"{key}_scales")(scale)
        shift = layers.Reshape(shape, name=f"{key}_shifts")(shift)
        # As large as the map: Keras takes a shift of one row for a bias of
        # the rows where there are as many as filters.
        shift = layers.UpSampling2D(x.shape[1:3], name=f"{key}_everywhere")(
            shift
        )
        x = layers.Multiply(name=f"{key}_scaled")([x, scale])
        return layers.Add(name=f"{key}_conditioned")([x, shift])

    def _cells(self, x: Any, key: str) -> Any:
        """Returns `(batch, cells, 4 + classes)` of one level."""
        for i in range(DEPTH):
            x = layers.Conv2D(
                self.filters,
                3,
                padding="same",
                use_bias=False,
                name=f"{key}_conv_{i}",
            )(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"{key}_norm_{i}")(
                x
            )
            x = layers.ReLU(name=f"{key}_relu_{i}")(x)
        sides = layers.Conv2D(4, 1, name=f"{key}_sides", dtype="float32")(x)
        scores = layers.Conv2D(
            self.classes,
            1,
            bias_initializer=keras.initializers.Constant(RARE),
            name=f"{key}_scores",
            dtype="float32",
        )(x)
        x = layers.Concatenate(name=f"{key}_both", dtype="float32")(
            [sides, scores]
        )
        return layers.Reshape(
            (-1, 4 + self.classes), name=f"{key}_rows", dtype="float32"
        )(x)

    def finish(self, output: Any, name: str) -> Any:
        raise ValueError(
            "A late fusion must have targets with one output a "
            f"sample. Received: the boxes `{name}`; choose another fusion"
        )

    def loss(self) -> keras.losses.Loss:
        return BoxLoss(self.size_weight)

    def metrics(self) -> list[keras.metrics.Metric]:
        return [BoxOverlap(name="overlap")]


def _spread(x: Any, like: Any, key: str) -> Any:
    """Repeats the cells of a coarse map until it covers a finer one."""
    sizes = zip(like.shape[1:3], x.shape[1:3], strict=True)
    times = [-(-fine // coarse) for fine, coarse in sizes]
    x = layers.UpSampling2D(times, name=f"{key}_coarser")(x)
    over = [a - b for a, b in zip(x.shape[1:3], like.shape[1:3], strict=True)]
    if any(over):
        cut = [(0, more) for more in over]
        x = layers.Cropping2D(cut, name=f"{key}_cut")(x)
    return x


BoxesOptions = options_of(Boxes, ("classes", "modality", "weight"))

"""The next steps of a series."""

import json
import statistics
from collections.abc import Container, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pydantic
from pydantic import Field

from mmkeras.metrics import Figures, forecasts, weighted_share
from mmkeras.spec.registry import register_target
from mmkeras.spec.tables import DISTINCT, Column
from mmkeras.spec.target import Target

Channels = Annotated[
    tuple[Column, ...],
    Field(strict=False, min_length=1, max_length=64),
    DISTINCT,
]
Quantiles = Annotated[
    tuple[Annotated[float, Field(gt=0, lt=1)], ...],
    Field(strict=False, min_length=3, max_length=19),
]
Steps = Annotated[int, Field(ge=1, le=10_000)]
# Points of a scatter plot; more would only blacken it.
MAX_POINTS = 1000


@register_target
class Forecast(Target):
    """The next steps of some channels of a series, with quantiles.

    Args:
        kind: "forecast".
        column: Manifest column with the steps: a list such as [1.5, null, 2],
            one of lists where there are several channels, or the path of an
            .npy or .csv file; empty means no label. Left out, they are the
            steps that follow the sample in its own recording.
        weight: Weight of this target's loss.
        modality: The series that goes on.
        channels: Channels that are predicted, by their names in it.
        steps: Steps that are predicted, at the rate of `modality`.
        quantiles: From the lowest to the highest, symmetric about 0.5, which
            is one of them.
        season_steps: Steps after which the series repeats, for the baseline
            that says so; None for none.
        unit: The unit, for reports.
    """

    kind: Literal["forecast"]
    column: Column | None = None
    modality: Annotated[str, Field(max_length=40)] | None = None
    channels: Channels
    steps: Steps
    quantiles: Quantiles = (0.1, 0.5, 0.9)
    season_steps: Steps | None = None
    unit: Annotated[str, Field(max_length=40)] = ""
    # The modality, where the spec is known.
    _series: Any = pydantic.PrivateAttr(None)
    read_with_sample: ClassVar[bool] = True
    follows_time: ClassVar[bool] = True
    moved_by: ClassVar[tuple[str, ...]] = ("gain",)
    has_naive: ClassVar[bool] = True
    headline: ClassVar[str] = "mae"
    guard: ClassVar[str] = "skill"
    training_metric: ClassVar[str] = "mae"
    activation: ClassVar[str | None] = "linear"
    baseline: ClassVar[str] = "mean of training"
    device_keys: ClassVar[tuple[str, ...]] = (
        "channels",
        "steps",
        "quantiles",
        "unit",
    )

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> "Forecast":
        found = np.array(self.quantiles)
        even = np.allclose(found + found[::-1], 1)
        if len(found) % 2 == 0 or not even or (np.diff(found) <= 0).any():
            raise ValueError(
                "`quantiles` must rise, be symmetric about 0.5 and have it, "
                f"such as [0.1, 0.5, 0.9]. Received: {list(self.quantiles)}"
            )
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.steps, len(self.channels))

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return self.shape

    @property
    def manifest_columns(self) -> tuple[str, ...]:
        """Of what follows in a recording, those of the recording."""
        if self.column is not None:
            return (self.column,)
        return self._series.manifest_columns if self._series else ()

    @property
    def moves_with(self) -> str | None:
        return self.modality if self._series is not None else None

    @property
    def places(self) -> tuple[int, ...] | None:
        """Places of the channels in the modality, where that is known."""
        if self._series is None:
            return None
        return tuple(self._series.channels.index(c) for c in self.channels)

    def check(self, name: str, modalities: Mapping[str, Any]) -> None:
        if self.modality is None:
            # What is left of a spec may lack it.
            return
        series = modalities.get(self.modality)
        names = getattr(series, "channels", None)
        if not isinstance(names, tuple) or series.time_steps is None:
            able = sorted(
                n for n, m in modalities.items()
                if isinstance(getattr(m, "channels", None), tuple)
            )  # fmt: skip
            raise ValueError(
                f"`targets.{name}.modality` must be a series. Received: "
                f"{self.modality!r}. Choices: {', '.join(able) or 'none'}"
            )
        unknown = sorted({*self.channels} - {*names})
        if unknown:
            raise ValueError(
                f"`targets.{name}.channels` must be channels of `modalities."
                f"{self.modality}`. Received: {unknown[0]!r}. Choices: "
                f"{', '.join(names[:20])}"
            )
        if self.column is None and series.crop != "start":
            raise ValueError(
                f"`targets.{name}.column` must name the steps where `modalities"
                f".{self.modality}` is cut at both ends. Received: none, and "
                f"crop={series.crop!r}"
            )
        self._series = series

    def among(self, modalities: Container[str]) -> "Forecast":
        # Without its series, the mean is what goes on.
        if self.modality in modalities:
            return self
        return self.model_copy(update={"modality": None})

    def has_label(self, cells: Mapping[str, str]) -> bool:
        return self.column is None or bool(cells[self.column].strip())

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        return forecasts(labels, outputs, weights, self.quantiles)

    def naive(self, x: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.offer("naive", "naive", x) or {}

    def median(self, outputs: np.ndarray) -> np.ndarray:
        """Returns the middle one of the quantiles, their last axis."""
        return outputs[..., len(self.quantiles) // 2]

    def agreement(
        self,
        one: np.ndarray,
        other: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float | None:
        """Returns how often the median is in the half of the interval."""
        apart = np.abs(self.median(one) - self.median(other))
        return weighted_share(
            apart <= (one[..., -1] - one[..., 0]) / 4, weights
        )

    def points(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> list[list[float]] | None:
        known = np.asarray(weights) > 0
        pairs = np.stack([labels[known], self.median(outputs)[known]], axis=1)
        if len(pairs) > MAX_POINTS:
            rows = np.linspace(0, len(pairs) - 1, MAX_POINTS).astype(int)
            pairs = pairs[rows]
        return pairs.astype("float64").tolist()

    def errors(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> np.ndarray | None:
        each = np.abs(self.median(outputs) - labels) * (weights > 0)
        axes = (1, 2)
        return each.sum(axis=axes) / np.maximum((weights > 0).sum(axis=axes), 1)

    def spell(self, label: np.ndarray, output: np.ndarray) -> dict[str, Any]:
        return {
            "label": self._spelled(label),
            "answer": self._spelled(self.median(output)),
            "probability": None,
        }

    def _spelled(self, steps: np.ndarray) -> str:
        """Returns where each channel ends: `lead: 0.2 … 0.31`."""
        return "; ".join(
            f"{name}: {column[0]:.3g} … {column[-1]:.3g}"
            for name, column in zip(self.channels, steps.T, strict=True)
        )

    def answer_cell(self, output: np.ndarray) -> str:
        return self.label_cell(self.median(output), np.ones(self.shape))

    def label_cell(self, label: np.ndarray, weight: np.ndarray) -> str:
        rows = np.where(weight > 0, label, np.nan).astype("float32")
        rows = rows[:, 0] if rows.shape[1] == 1 else rows
        # As many digits as the number has: 0.1, not 0.10000000149.
        flat = [float(str(number)) for number in rows.ravel()]
        text = json.dumps(np.reshape(flat, rows.shape).tolist())
        return text.replace("NaN", "null")

    def constant(
        self, facts: Mapping[str, Any], train_samples: int | None = None
    ) -> np.ndarray | None:
        if "mean" not in facts:
            return None
        normal = statistics.NormalDist()
        away = np.array([normal.inv_cdf(q) for q in self.quantiles])
        return np.array(facts["mean"])[:, None] + np.outer(facts["std"], away)

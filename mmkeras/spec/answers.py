"""What a kind of modality or target answers with."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Sample:
    """One modality of one sample, as `prepare` read it.

    Args:
        value: Array of the kind's shape, as the shard holds it.
        notes: What was changed or lost on the way, counted: `{"cut": 1}`.
        geometry: What targets such as boxes have to follow; None where
            nothing moved.
    """

    value: Any
    notes: dict[str, int] = field(default_factory=dict)
    geometry: Any = None


@dataclass(frozen=True)
class Label:
    """The label of one sample, as `prepare` read it.

    Args:
        value: Array of the target's `shape`.
        weight: Array of its `weight_shape`; 0 where there is no label.
        notes: What was changed or left out, counted: `{"cut": 1}`.
    """

    value: Any
    weight: Any = 1.0
    notes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """How a shard holds a value: `(stored - zero_point) * scale + offset`.

    Args:
        dtype: Type in the shard, little-endian, such as "<i2".
        scale: Size of one step of the stored number; None where a batch holds
            the stored number itself.
        zero_point: Stored number that stands for `offset`.
        offset: Value of the zero point, in the model's unit.
    """

    dtype: str
    scale: float | None = None
    zero_point: float = 0.0
    offset: float = 0.0


@dataclass(frozen=True)
class Learned:
    """What reading a modality takes from the training split.

    Args:
        facts: JSON values, kept among the statistics of the data.
        file: Text of a file of its own, such as a tokenizer's JSON; None
            where the facts say it all.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    file: str | None = None


@dataclass(frozen=True)
class Augmentation:
    """One way in which a training batch is changed; 0 leaves it as it is.

    Args:
        default: What `augment=True` means.
        low: Smallest value allowed.
        high: Largest value allowed.
        meaning: What the value is, with its unit.
        is_ratio_db: Whether it is a ratio to noise in decibel, so that a
            smaller one changes more.
        shared: Whether several modalities can have the draw in common: the
            function of the kind takes its seed from `seeds.of(KEY)`.
        moves_time: Whether a label of each step would no longer be where
            its step is.
        moves_space: "followed" where it moves what is seen to other places
            and the function of the kind hands that on, by `seeds.moved`, so
            that boxes and masks move alike; "alone" where it hands nothing
            on, so that such a target refuses it; None where all stays.
        of_variants: Whether it is the share of samples that are replaced by
            one of their variants, which `prepare` made; see
            `Modality.variant_names`.
    """

    default: float
    low: float
    high: float
    meaning: str
    is_ratio_db: bool = False
    shared: bool = False
    moves_time: bool = False
    moves_space: Literal["followed", "alone"] | None = None
    of_variants: bool = False

    # What a recipe that leaves the key out means.
    off: ClassVar[Any] = 0
    is_file: ClassVar[bool] = False

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        return f"a number from {self.low} to {self.high}"

    @property
    def bounds(self) -> str:
        """The bounds, for a table of all keys."""
        return f"; {self.low:g} to {self.high:g}"

    def takes(self, value: Any) -> bool:
        """Whether it may be set to a value."""
        return isinstance(value, int | float) and self.low <= value <= self.high

    def stronger(self, value: float, times: float) -> float:
        """Returns the value that changes a batch so many times as far."""
        if self.is_ratio_db and value:
            return max(1, value - 20 * math.log10(times))
        return min(self.high, value * times)


@dataclass(frozen=True)
class AugmentationFile:
    """A file that a training batch is changed with, such as word vectors.

    Args:
        meaning: What it holds, and for what.
    """

    meaning: str
    is_file: ClassVar[bool] = True
    default: ClassVar[None] = None
    off: ClassVar[None] = None
    expected: ClassVar[str] = "the path of a file"
    bounds: ClassVar[str] = ""
    shared: ClassVar[bool] = False
    moves_time: ClassVar[bool] = False
    moves_space: ClassVar[None] = None
    of_variants: ClassVar[bool] = False

    def takes(self, value: Any) -> bool:
        """Whether it may be set to a value."""
        return value is None or (isinstance(value, str) and value != "")

    def stronger(self, value: Any, times: float) -> Any:
        """Returns the value that changes a batch so many times as far."""
        return value


@dataclass(frozen=True)
class Corruption:
    """How the input of a modality gets worse, in levels that have a unit.

    Args:
        levels: Mild to severe.
        unit: What a level is, as on an axis.
        change: From a random generator, a batch `(batch, *shape)`, a level,
            and the statistics of the training split (empty where unknown),
            to numbers in the shape of the batch.
    """

    levels: tuple[float, ...]
    unit: str
    change: Callable[[Any, Any, float, Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Profile:
    """What a report of the data tells of one sample.

    Args:
        numbers: By name, the unit in the name: `{"loudness_dbfs": -20.1}`.
        columns: Of a table or a recording, by column, NaN where missing. One
            that never changes, or has an outlier, is a fault of the data.
        choices: Index of the category, by column; None where missing.
    """

    numbers: dict[str, float] = field(default_factory=dict)
    columns: dict[str, float] = field(default_factory=dict)
    choices: dict[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Fingerprint:
    """What stays the same in a sample that is nearly the same.

    Args:
        places: `(n,)` of bool, or of small integers; as many for all samples.
        alike: Share of equal places from which two samples are nearly the
            same, such as 0.95.
    """

    places: Any
    alike: float

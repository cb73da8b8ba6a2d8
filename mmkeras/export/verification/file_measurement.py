"""What was measured of files: how large, how fast, and how close to Keras."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from mmkeras.export.conversion.produced_file import FLOAT


@dataclass(frozen=True)
class FileFigures:
    """Size and speed of a file.

    Args:
        bytes: Its size.
        latency_ms: Median milliseconds of one answer, on one thread.
        format: Name of its format; None on cards of older bundles.
        recipe: How it was made smaller; None on cards of older bundles.
    """

    bytes: int
    latency_ms: float
    format: str | None = None
    recipe: str | None = None


@dataclass(frozen=True)
class Measurement:
    """How good one file, or Keras itself, is at one target.

    Args:
        figures: The target's figures, such as {"accuracy": 0.93}; empty where
            nothing is labelled.
        agreement: Share of the samples that it decides as Keras does.
        largest_difference: Of any output from that of Keras.
        drop: What the guarded figure lost; negative is a gain.
        drop_interval: Its 95 % interval under the paired bootstrap.
        calibration_error: Expected calibration error.
        worst_class: The class that lost most.
        departs_at: The sample at which a float file left Keras.
    """

    figures: Mapping[str, float]
    agreement: float | None = None
    largest_difference: float | None = None
    drop: float | None = None
    drop_interval: tuple[float, float] | None = None
    calibration_error: float | None = None
    worst_class: Mapping[str, Any] | None = None
    departs_at: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON: the figures among the rest."""
        rest = {name: getattr(self, name) for name in _REST}
        if rest["drop_interval"] is not None:
            rest["drop_interval"] = list(rest["drop_interval"])
        known = {k: v for k, v in rest.items() if v is not None}
        return {**self.figures, **known}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Measurement":
        """Reads what `to_dict` returned."""
        rest = {name: entry[name] for name in _REST if name in entry}
        if rest.get("drop_interval") is not None:
            rest["drop_interval"] = tuple(rest["drop_interval"])
        figures = {k: v for k, v in entry.items() if k not in _REST}
        return cls(figures, **rest)


_REST = tuple(each.name for each in fields(Measurement) if each.default is None)


@dataclass(frozen=True)
class Comparison:
    """One target in one scenario: every file, and Keras.

    Args:
        guard: The figure whose drop is limited.
        keras: The model that was exported.
        files: The files, by name.
        original: The larger model that it was made from, if any.
    """

    guard: str
    keras: Measurement
    files: Mapping[str, Measurement]
    original: Measurement | None = None

    @property
    def before(self) -> Measurement:
        """What a drop is measured against."""
        return self.keras if self.original is None else self.original

    def drop_of(self, name: str) -> float | None:
        """Returns what a file's guarded figure lost; None without labels."""
        before = self.before.figures.get(self.guard)
        after = self.files[name].figures.get(self.guard)
        return None if None in (before, after) else before - after

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON, without the guard."""
        models = {"keras": self.keras, "original": self.original, **self.files}
        return {n: m.to_dict() for n, m in models.items() if m is not None}

    @classmethod
    def from_dict(cls, entry: Mapping, guard: str) -> "Comparison":
        """Reads what `to_dict` returned."""
        files = {n: Measurement.from_dict(m) for n, m in entry.items()}
        original = files.pop("original", None)
        return cls(guard, files.pop("keras"), files, original)


@dataclass(frozen=True)
class Measured:
    """All that was measured of some files on some samples.

    Args:
        files: Size and speed by name of the file.
        scenarios: By scenario and target; the first one is that nothing is
            absent.
    """

    files: Mapping[str, FileFigures]
    scenarios: Mapping[str, Mapping[str, Comparison]]

    @property
    def complete(self) -> Mapping[str, Comparison]:
        """The targets with every modality there."""
        return next(iter(self.scenarios.values()))

    def largest_drop(self, name: str) -> float:
        """Returns a file's largest drop, over the targets, nothing absent."""
        drops = [each.drop_of(name) for each in self.complete.values()]
        return max((drop for drop in drops if drop is not None), default=0.0)

    def worst(self, name: str) -> tuple[str, str, float] | None:
        """Returns scenario, target and drop where a file lost most."""
        found = [
            (scenario, target, each.drop_of(name))
            for scenario, targets in self.scenarios.items()
            for target, each in targets.items()
            if each.drop_of(name) is not None
        ]
        return max(found, key=lambda entry: entry[2], default=None)

    def float_of(self, name: str) -> str:
        """Returns the name of the float file that a file was made of."""
        return next(
            other
            for other, figures in self.files.items()
            if figures.recipe == FLOAT
            and figures.format == self.files[name].format
        )

"""The card: what was measured of a model and of the files made from it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydantic

from mmkeras import artefact
from mmkeras.export.conversion.stepping import StreamFigures
from mmkeras.export.verification.file_measurement import (
    Comparison,
    FileFigures,
    Measured,
)


@dataclass(frozen=True)
class Candidate:
    """A recipe that could have been shipped, measured on validation samples.

    What was refused has no figures.

    Args:
        bytes: Size of its file.
        latency_ms: Median milliseconds of one answer, on one thread.
        drop: Largest drop of a metric, as a fraction.
        passes: Whether every metric held.
        refused: Why there is no file, if there is none.
    """

    bytes: int | None = None
    latency_ms: float | None = None
    drop: float | None = None
    passes: bool | None = None
    refused: str | None = None


@dataclass(frozen=True)
class LayerError:
    """How much int8 hurts a layer, in decibels of signal over noise.

    Args:
        snr_db: Of its result in the whole file.
        own_db: At the outputs, if it alone were in int8.
    """

    snr_db: float | None = None
    own_db: float | None = None


@dataclass(frozen=True)
class Advice:
    """What is worth keeping in float.

    Args:
        worth_floating: Names of layers.
        gain_db: What that would gain at the outputs, in decibels.
        failed: Why there is no advice, if there is none.
    """

    worth_floating: tuple[str, ...] = ()
    gain_db: float = 0.0
    failed: str | None = None


@dataclass(frozen=True)
class Ratio:
    """A shipped file against the float one.

    Args:
        bytes: Its size as a share of the float file's.
        speed: How many times as fast it is.
    """

    bytes: float
    speed: float


@dataclass(frozen=True)
class SampleCounts:
    """How many samples were used.

    Args:
        test: Verified on.
        of: In the test split.
        calibration: The int8 ranges were taken from.
    """

    test: int
    of: int
    calibration: int | None = None


@dataclass(frozen=True)
class Card:
    """What was measured of a model and of the files made from it.

    Args:
        measured: The files on the test split.
        max_drop: Largest drop of a metric that was allowed, as a fraction.
        samples: How many samples were used.
        name: Name of the spec.
        spec_sha256: Its hash.
        quantize: What was asked for.
        failures: What is wrong, a sentence each; such a card has no bundle.
        threads: Threads that latencies were measured on.
        machine: Operating system and processor.
        recipes: What could have been shipped, by recipe.
        recipe: What is shipped.
        float_layers: Layers that stayed float for the sake of the metrics.
        layers: Errors of layers, by name.
        advice: What is worth keeping in float.
        ratios: Each shipped file against the float one, by format.
        operators: How often the shipped TFLite file uses each operator.
        streams: How each recurrent tower streams.
        not_streamed: Why it does not, by tower.
        target: Name of the device profile that the file had to fit.
    """

    measured: Measured
    max_drop: float
    samples: SampleCounts
    name: str = ""
    spec_sha256: str = ""
    quantize: str = ""
    failures: tuple[str, ...] = ()
    threads: int = 1
    machine: str = ""
    recipes: Mapping[str, Candidate] = field(default_factory=dict)
    recipe: str | None = None
    float_layers: tuple[str, ...] = ()
    layers: Mapping[str, LayerError] = field(default_factory=dict)
    advice: Advice | None = None
    ratios: Mapping[str, Ratio] = field(default_factory=dict)
    operators: Mapping[str, int] = field(default_factory=dict)
    streams: Mapping[str, StreamFigures] = field(default_factory=dict)
    not_streamed: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON, as `card.json` holds it."""
        rest = _plain({
            each.name: getattr(self, each.name)
            for each in dataclasses.fields(self)
            if each.name != "measured"
        })  # fmt: skip
        scenarios = self.measured.scenarios
        return {
            **rest,
            "files": _plain(self.measured.files),
            "metric": {n: c.guard for n, c in self.measured.complete.items()},
            "scenarios": {
                scenario: {n: c.to_dict() for n, c in targets.items()}
                for scenario, targets in scenarios.items()
            },
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Card":
        """Reads what `to_dict` returned, now or in an older version.

        Raises:
            ValueError: If it is none.
        """
        try:
            files = {
                n: pydantic.TypeAdapter(FileFigures).validate_python(f)
                for n, f in entry["files"].items()
            }
            scenarios = {
                scenario: {
                    n: Comparison.from_dict(c, entry["metric"][n])
                    for n, c in targets.items()
                }
                for scenario, targets in entry["scenarios"].items()
            }
            measured = Measured(files, scenarios)
            return _ADAPTER.validate_python({**entry, "measured": measured})
        except (KeyError, pydantic.ValidationError) as error:
            raise ValueError(
                f"A card must hold what an export measured. Received: {error}"
            ) from None


_ADAPTER = pydantic.TypeAdapter(Card)


def read_card(path: str | Path) -> Card:
    """Returns the card of a bundle, from its `card.json`."""
    return Card.from_dict(artefact.read_json(path))


def _plain(value: Any) -> Any:
    """Returns a value as JSON; what is None is left out."""
    if dataclasses.is_dataclass(value):
        return _plain({
            each.name: getattr(value, each.name)
            for each in dataclasses.fields(value)
        })  # fmt: skip
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value

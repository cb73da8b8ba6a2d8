"""What passes between the process that exports and the one that converts.

A request is a file of JSON, and so is its result; arrays lie in `.npz` files
that a message names. Whoever writes a file names it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pydantic

from mmkeras import artefact
from mmkeras.export.conversion.produced_file import ProducedFile

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Answers:
    """What Keras answers for one set of samples: `.npz` files by scenario.

    Args:
        keras: Outputs by target of the model that is exported.
        original: Those of the larger model that it was made from, if any.
    """

    keras: Mapping[str, Path]
    original: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Converted:
    """The files that the model itself is needed for.

    Args:
        files: The float file of each format, and smaller ones.
        answers: What Keras answers, by name of the set of samples.
    """

    files: tuple[ProducedFile, ...]
    answers: Mapping[str, Answers]


@dataclass(frozen=True)
class LayerErrors:
    """Signal-to-noise ratios of a quantized file, in decibels, by scope.

    Args:
        whole: Of each result in the file.
        own: At the outputs, if this operator alone were in int8.
    """

    whole: Mapping[str, float]
    own: Mapping[str, float]


@dataclass(frozen=True)
class Departure:
    """The layer at which a file starts to differ from Keras.

    Args:
        layer: Its name; None if only the outputs differ.
        type: Its class.
        gap: By how much, relative to its largest value.
    """

    layer: str | None = None
    type: str = ""
    gap: float = 0.0


@dataclass(frozen=True)
class Refusal:
    """What is wrong with a model, in words for its user."""

    message: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """What every request tells.

    Args:
        model: Folder of the run, or the `.keras` file.
        folder: Where to write files.
        samples: `.npz` file of the samples that ranges are found with.
        float_layers: Parts of names of layers that compute in float.
    """

    model: Path
    folder: Path
    samples: Path
    float_layers: tuple[str, ...] = ()
    result: ClassVar[type]


@dataclass(frozen=True, kw_only=True)
class Convert(Request):
    """Load the model, answer samples, and write the files that need it.

    Args:
        formats: Names of formats.
        quantize: What was asked for.
        answer: `.npz` files of inputs, by name of the set of samples.
        optional: Names of the optional modalities.
        reference: The larger model that this one was made from, if any.
    """

    formats: tuple[str, ...]
    quantize: str
    answer: Mapping[str, Path]
    optional: tuple[str, ...] = ()
    reference: Path | None = None
    task: Literal["convert"] = "convert"
    result: ClassVar[type] = Converted

    @property
    def purpose(self) -> str:
        """What it is done for."""
        return self.quantize


@dataclass(frozen=True)
class LabelledFiles:
    """`.npz` files of labelled samples, and what may be lost on them.

    Args:
        x, labels, weights: Inputs by modality, labels and weights by target.
        spec: The data spec, as `DataSpec.from_dict` takes it.
        limit: Largest drop of a metric, as a fraction.
    """

    x: Path
    labels: Path
    weights: Path
    spec: Mapping[str, Any]
    limit: float


@dataclass(frozen=True, kw_only=True)
class Quantize(Request):
    """Make a smaller file of a float file.

    Args:
        source: The float file.
        recipe: How.
        labelled: Samples that mixed precision is chosen on.
    """

    source: ProducedFile
    recipe: str
    labelled: LabelledFiles | None = None
    task: Literal["quantize"] = "quantize"
    result: ClassVar[type] = ProducedFile

    @property
    def purpose(self) -> str:
        """What it is done for."""
        return self.recipe


@dataclass(frozen=True, kw_only=True)
class MeasureLayers(Request):
    """Measure the error of each layer, in the whole file and alone."""

    source: ProducedFile
    file: ProducedFile
    task: Literal["measure layers"] = "measure layers"
    result: ClassVar[type] = LayerErrors

    @property
    def purpose(self) -> str:
        """What it is done for."""
        return self.file.recipe


@dataclass(frozen=True, kw_only=True)
class FindDeparture(Request):
    """Find the first layer at which a float file differs from Keras.

    Args:
        file: The float file.
        x: `.npz` file of one sample for which it differs.
    """

    file: ProducedFile
    x: Path
    task: Literal["find departure"] = "find departure"
    result: ClassVar[type] = Departure

    @property
    def purpose(self) -> str:
        """What it is done for."""
        return self.file.recipe


AnyRequest = Annotated[
    Convert | Quantize | MeasureLayers | FindDeparture,
    pydantic.Field(discriminator="task"),
]


def send(path: Path, message: Any) -> Path:
    """Writes a message; returns `path`."""
    value = pydantic.TypeAdapter(type(message)).dump_python(
        message, mode="json"
    )
    artefact.write_json(path, value)
    return path


def receive(path: Path, kind: Any) -> Any:
    """Reads a message of one kind; unlike a file of a user, it is ours."""
    return pydantic.TypeAdapter(kind).validate_python(artefact.read_json(path))


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Writes arrays that a message names; returns `path`."""
    artefact.write_arrays(path, arrays)
    return path


def load(path: Path) -> Arrays:
    """Returns the arrays of an `.npz` file."""
    with np.load(path, allow_pickle=False) as file:
        return dict(file)

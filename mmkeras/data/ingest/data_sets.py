"""Data sets of other packages, known by what they can do."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmkeras.data.ingest.source_rows import (
    CHUNK,
    Source,
    chunked,
    columns_frame,
)
from mmkeras.spec import DataSpec


def rows_of(given: Sequence) -> Source:
    """Reads rows as dicts, also of a TFDS data source."""
    first = given[0] if len(given) else {}
    if not isinstance(first, Mapping):
        raise ValueError(
            "`source` must have rows that are dicts by column. Received: "
            f"{type(given).__name__} of {type(first).__name__}"
        )
    info = getattr(given, "dataset_info", None)
    classes = _names_of(getattr(info, "features", None) or {})
    rows = (given[place] for place in range(len(given)))
    return Source(
        "the rows", chunked(rows), classes=classes, arrays=True, by_name=True
    )


def hugging_face(given: Any) -> Source:
    """Reads a data set of Hugging Face, in memory or streamed."""
    features = dict(given.features or {})
    for name, feature in features.items():
        # The bytes of a file as they are, not a picture made of them.
        if getattr(feature, "decode", False):
            raw = type(feature)(decode=False)
            given = given.cast_column(name, raw)
    if hasattr(given, "__len__"):
        chunks = (
            columns_frame({n: list(v) for n, v in given[i : i + CHUNK].items()})
            for i in range(0, len(given), CHUNK)
        )
    else:
        chunks = chunked(iter(given))
    classes = _names_of(features)
    return Source(
        "the data set", chunks, classes=classes, arrays=True, by_name=True
    )


def _names_of(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns the names of classes that a data set knows, by column."""
    found = {}
    for name in features:
        feature = features[name]
        feature = getattr(feature, "feature", feature)
        names = getattr(feature, "names", None)
        if isinstance(names, list | tuple) and names:
            found[name] = [str(each) for each in names]
    return found


def tensors(given: Any, spec: DataSpec | None) -> Source:
    """Reads a `tf.data.Dataset`, of samples or of batches."""
    if hasattr(given, "cardinality") and int(given.cardinality()) == -1:
        raise ValueError(
            "`source` must end. Received: a tf.data.Dataset that repeats "
            "without end; `.take(N)` ends it"
        )
    said = []
    shapes = _named(given.element_spec, spec, said)
    if _is_batched(shapes, spec):
        given = given.unbatch()
        said.append("the tf.data.Dataset is batched; each sample is a row")
    rows = (_named(e, spec, []) for e in given.as_numpy_iterator())
    return Source(
        "the tf.data.Dataset",
        chunked(rows),
        said=tuple(said),
        arrays=True,
        by_name=True,
    )


def _named(element: Any, spec: DataSpec | None, said: list) -> dict:
    """Returns the parts of an element of a tf.data.Dataset by column."""
    parts = element if isinstance(element, tuple) else (element,)
    if len(parts) > 2:
        said.append("weights of samples in the tf.data.Dataset are not read")
    found: dict[str, Any] = {}
    tables = (
        (spec.modalities, spec.targets) if spec else ({"x": None}, {"y": None})
    )
    for part, table in zip(parts[:2], tables, strict=False):
        if isinstance(part, Mapping):
            found |= part
        elif len(table) == 1:
            found[next(iter(table))] = part
        else:
            raise ValueError(
                "`source` must give dicts by name where the spec has several "
                f"modalities or targets. Received: elements {element}"
            )
    return found


def _is_batched(shapes: Mapping[str, Any], spec: DataSpec | None) -> bool:
    """Whether a label has an axis more than its target says."""
    for name, target in (spec.targets if spec else {}).items():
        found = shapes.get(name, shapes.get(target.column))
        rank = getattr(getattr(found, "shape", None), "rank", None)
        if rank is not None and not target.shape:
            # A sample's label may also be a row of 0 and 1, or of one number.
            row = (1, len(target.class_names))
            return rank > 1 or (rank == 1 and found.shape[0] not in row)
    return False

"""The contract of a kind of modality or target."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmkeras.checks.modality_kinds import ModalityCase
from mmkeras.checks.report import run_clauses
from mmkeras.checks.target_kinds import TargetCase
from mmkeras.spec import DataSpec, Kind, Modality, Target


def check_kind(
    kind: Kind,
    rows: Sequence[Mapping[str, str]],
    root: str | Path = ".",
    export: bool = True,
    skip: tuple[str, ...] = (),
    beside: Mapping[str, Modality] | None = None,
) -> dict[str, str]:
    """Checks that a kind of modality or target keeps its contract.

    Its table survives a spec. Of a modality: samples have the shape and the
    type that the class says, twice the same; a batch has its own type, absent
    samples as well; statistics are JSON; `build` returns a tower that passes
    `check_tower`; corruptions keep the shape; the device reads a sample as
    `prepare` does. Of a target: labels have the shape that the class says, and
    an empty cell none; the head answers in finite numbers and has a loss; its
    figures have the headline and the guard, and are those of doubled counts
    too; the device expects the head's output; what is shown is JSON.

    Args:
        kind: The kind with its keys: `MyKind(kind="mine", column="x")`.
        rows: Some rows of a manifest, by column, that can all be read. Three
            of a modality are the classes of a toy problem: unlike each other.
        root: Folder of the files that the rows name.
        export: Whether the tower's exported files are checked too.
        skip: Clauses to leave out, by name.
        beside: Of a target that is read with its sample, the modalities that
            it is read with, by name; the rows have their columns too.

    Returns:
        "kept" or "skipped" by clause.

    Raises:
        ValueError: If any clause is broken; all of them are named.

    Example:

    >>> check_kind(Image(kind="image", column="x", height=8, width=8),
    ...            [{"x": "a.png"}, {"x": "b.png"}])["device"]
    'kept'
    """
    if isinstance(kind, Modality):
        case = ModalityCase(kind, rows, Path(root), export)
    elif isinstance(kind, Target):
        case = TargetCase(kind, rows, Path(root), beside or {})
    else:
        raise ValueError(
            "`kind` must be a modality or a target with its keys, as "
            f'`MyKind(kind="mine", column="x")` gives. Received: {kind!r}'
        )
    clauses = {"table": lambda: _table(kind, beside), **case.clauses()}
    return run_clauses(type(kind).__name__, clauses, skip)


def _table(kind: Kind, beside: Mapping[str, Modality] | None) -> None:
    """A spec with the kind is equal after it was written and read."""
    spec = DataSpec.model_validate(
        {
            "name": "toy",
            "modalities": beside
            or {
                getattr(kind, "modality", None) or "toy": (
                    kind if isinstance(kind, Modality) else _TOY
                )
            },
            "targets": {"label": kind if isinstance(kind, Target) else _LABEL},
        }
    )
    again = DataSpec.from_dict(spec.to_dict())
    if again != spec or again.sha256 != spec.sha256:
        raise ValueError(
            "the keys must survive a spec that is written and read. Received: "
            f"{again} instead of {spec}"
        )


_TOY = {"kind": "vector", "columns": ("toy",)}
_LABEL = {"kind": "number", "column": "toy"}

"""What is wrong with files that were measured, in sentences."""

from collections.abc import Collection
from dataclasses import dataclass

from mmkeras.export.verification.comparison import FLOAT_TOLERANCE
from mmkeras.export.verification.file_measurement import Comparison, Measured


def lost_too_much(
    measured: Measured, name: str, max_drop: float
) -> list[tuple[str, str]]:
    """Returns scenario and target wherever a file lost too much.

    With every modality there, the drop itself counts. With one absent, which
    fewer samples tell apart, the drop has to be sure: its interval as a whole
    above the limit.

    Args:
        measured: What was measured.
        name: The file.
        max_drop: Largest drop of a metric, as a fraction.
    """
    found = []
    for scenario, targets in measured.scenarios.items():
        for target, compared in targets.items():
            drop = compared.drop_of(name)
            ends = compared.files[name].drop_interval
            if drop is not None and ends and targets is not measured.complete:
                drop = ends[0]
            if drop is not None and drop > max_drop:
                found.append((scenario, target))
    return found


def failures(
    measured: Measured, names: Collection[str], max_drop: float
) -> list[str]:
    """Returns a sentence for each file and target that lost too much.

    Args:
        measured: What was measured of the files, and of the float ones.
        names: The files that have to hold the metrics.
        max_drop: Largest drop of a metric, as a fraction.
    """
    return [
        _failure(measured, name, scenario, target, max_drop)
        for name in names
        for scenario, target in lost_too_much(measured, name, max_drop)
    ]


def _failure(
    measured: Measured, name: str, scenario: str, target: str, max_drop: float
) -> str:
    compared = measured.scenarios[scenario][target]
    absent = compared is not measured.complete[target]
    return (
        f"{compared.guard} of `{target}`{f' {scenario}' if absent else ''} "
        f"must not drop by more than {max_drop:g}. Received: "
        f"{_received(compared, name, measured.float_of(name))}"
    )


def _received(compared: Comparison, name: str, float_name: str) -> str:
    guard, ends = compared.guard, compared.files[name].drop_interval
    sure = f", 95 % within {ends[0]:.4f} to {ends[1]:.4f}" if ends else ""
    return (
        f"Keras {compared.before.figures[guard]:.4f}, float32 "
        f"{compared.files[float_name].figures[guard]:.4f}, {name} "
        f"{compared.files[name].figures[guard]:.4f}: a drop of "
        f"{compared.drop_of(name):.4f}{sure}"
    )


@dataclass(frozen=True)
class FloatDeparture:
    """Where the outputs of a float file left those of Keras.

    Args:
        file: Name of the file.
        scenario: Which modality was absent, if any.
        target: The target.
        sample: Number of the sample that it is furthest away for.
        gap: By how much.
    """

    file: str
    scenario: str
    target: str
    sample: int
    gap: float


def float_departures(measured: Measured) -> list[FloatDeparture]:
    """Returns where float files left Keras."""
    return [
        FloatDeparture(
            name, scenario, target, one.departs_at, one.largest_difference
        )
        for scenario, targets in measured.scenarios.items()
        for target, compared in targets.items()
        for name, one in compared.files.items()
        if one.departs_at is not None
    ]


def departure_sentence(
    found: FloatDeparture, layer: str | None, kind: str, gap: float
) -> str:
    """Says which file departs from Keras, by how much, and at which layer.

    Args:
        found: Where the outputs departed.
        layer: Name of the first layer that departs, if one was found.
        kind: Its class.
        gap: By how much its outputs differ.
    """
    where = "no layer inside, only the outputs, could be told apart"
    if layer is not None:
        where = (
            f"the first layer that departs is `{layer}` ({kind}), by {gap:.2g}"
        )
    return (
        f"{found.file} must equal Keras within {FLOAT_TOLERANCE:g}. Received: "
        f"a difference of {found.gap:.2g} in `{found.target}`; {where}"
    )

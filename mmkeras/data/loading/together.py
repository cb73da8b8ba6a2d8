"""Draws that several modalities make together: one for all of them.

A film and its sound lose the same seconds, a picture and its mask are
mirrored alike. Whose draws are its own stays as it is.
"""

from collections.abc import Mapping
from typing import Any

from mmkeras.arguments import check_table, hint
from mmkeras.data.loading.draws import Shared
from mmkeras.spec import DataSpec

# Two durations of the same sample differ less, in seconds.
SAME_SEC = 0.0005


def shared_draws(
    spec: DataSpec, together: Mapping[str, list[str]]
) -> dict[str, dict[str, Shared]]:
    """Returns the draws that each modality has in common with others, by key.

    Args:
        spec: The spec.
        together: Names of modalities, by key; checked.
    """
    found: dict[str, dict[str, Shared]] = {}
    for number, (key, names) in enumerate(sorted(together.items())):
        steps = [spec.modalities[name].time_steps for name in names]
        timed = spec.modalities[names[0]].augmentations[key].moves_time
        least = min((n for n in steps if n), default=None) if timed else None
        for name in names:
            found.setdefault(name, {})[key] = Shared(number, least)
    return found


def check_together(
    spec: DataSpec, together: Any, settings: Mapping[str, Mapping]
) -> dict[str, list[str]]:
    """Returns names of modalities by key.

    Args:
        spec: The spec.
        together: What a user gave as `augment.together`.
        settings: Those of each modality that is augmented, complete.

    Raises:
        ValueError: If a draw cannot be shared by all that are named.
    """
    check_table("augment.together", together)
    found = {}
    for key, names in together.items():
        label = f"`augment.together.{key}`"
        if (
            not isinstance(names, list | tuple)
            or len(names) < 2
            or not all(isinstance(name, str) for name in names)
            or len({*names}) < len(names)
        ):
            raise ValueError(
                f"{label} must be a list of two or more names of modalities. "
                f"Received: {names!r}"
            )
        for name in names:
            _check_member(spec, label, key, name)
        values = {n: settings.get(n, {}).get(key, 0) for n in names}
        if not all(values.values()) or len({*values.values()}) > 1:
            told = ", ".join(f"{n} = {value}" for n, value in values.items())
            raise ValueError(
                f"{label} needs the same `{key}` above 0 in the table "
                f"`[augment.NAME]` of each. Received: {told}"
            )
        _check_durations(spec, label, key, names)
        found[key] = [*names]
    return found


def _check_member(spec: DataSpec, label: str, key: str, name: str) -> None:
    if name not in spec.modalities:
        raise ValueError(
            f"{label} must name modalities of the spec. Received: {name!r}."
            f"{hint(name, spec.modalities)}"
        )
    modality = spec.modalities[name]
    keys = [k for k, one in modality.augmentations.items() if one.shared]
    if key not in keys:
        raise ValueError(
            f"{label} must be a draw that each of its modalities can share. "
            f"Received: `{name}` of kind '{modality.kind}', which can share "
            f"{', '.join(sorted(keys)) or 'none'}"
        )


def _check_durations(
    spec: DataSpec, label: str, key: str, names: list[str]
) -> None:
    if not spec.modalities[names[0]].augmentations[key].moves_time:
        return
    seconds = {name: spec.modalities[name].seconds for name in names}
    known = [value for value in seconds.values() if value is not None]
    if known and max(known) - min(known) > SAME_SEC:
        told = ", ".join(f"{n} {s:g} s" for n, s in seconds.items() if s)
        raise ValueError(
            f"{label} needs samples of one duration, of which it takes a "
            f"part. Received: {told}"
        )

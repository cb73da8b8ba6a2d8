"""The code that travels with a bundle: the runner's, and each kind's."""

import sysconfig
from pathlib import Path

from mmkeras.spec import DataSpec, Kind

RUNNER = "run.py"
# What every bundle with a TFLite file holds of `export/`; the kinds of its
# modalities name what they need besides.
RUNNERS = (
    RUNNER, "command.py", "lines.py", "live.py", "manifest.py", "runner.py",
    "samples.py", "validation.py",
)  # fmt: skip


def code(spec: DataSpec) -> dict[str, Path]:
    """Returns the files of code that run a bundle, by their name in it.

    Raises:
        ValueError: If a kind has no file for the device.
    """
    home = runner_source()
    files = {name: home.with_name(name) for name in RUNNERS}
    for role, kinds in roles(spec):
        for kind in kinds.values():
            files[reader_name(role, kind)] = kind.device_path()
            files |= {name: home.with_name(name) for name in kind.device_uses}
            files |= kind.device_shared()
    return files


def describe(
    role: str, name: str, kind: Kind, folder: Path, has_code: bool
) -> dict:
    """Returns what the manifest tells the device of an input or output.

    Args:
        role: "input" or "output".
        name: Its name in the spec.
        kind: Its table of the spec.
        folder: The bundle, all its files but the manifest in place.
        has_code: Whether the runner is one of them.
    """
    entry = {"kind": kind.kind}
    if has_code:
        entry["reader"] = reader_name(role, kind)
    if kind.web is not None:
        entry["web"] = kind.web
    if role == "input":
        entry["example"] = kind.example
        entry["shape"], entry["dtype"] = list(kind.shape), kind.dtype
        entry["optional"] = kind.optional
    return {**kind.device_entry(name, folder), **entry}


def reader_name(role: str, kind: Kind) -> str:
    """Returns the name of a kind's file in a bundle; a role has its own."""
    return f"{role}_{kind.kind}.py"


def runner_source() -> Path:
    """Finds `run.py`: beside the package in a checkout, or as installed."""
    places = [
        Path(__file__).parents[3] / "export" / RUNNER,
        Path(sysconfig.get_path("data")) / "share" / "mmkeras" / RUNNER,
    ]
    for place in places:
        if place.is_file():
            return place
    raise ValueError(
        "The runner must lie beside the package or be installed with it. "
        f"Received: neither of {', '.join(map(str, places))}"
    )


def roles(spec: DataSpec) -> list[tuple[str, dict[str, Kind]]]:
    """Returns the inputs and the outputs by name, and what they are called."""
    return [("input", spec.modalities), ("output", spec.targets)]

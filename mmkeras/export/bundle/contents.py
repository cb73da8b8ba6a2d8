"""The bundle: everything a device needs, checked by its manifest."""

import contextlib
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmkeras import artefact
from mmkeras.export.bundle.device_code import RUNNER, code, describe, roles
from mmkeras.export.conversion.runtimes import SIGNATURE
from mmkeras.export.formats import FORMATS
from mmkeras.spec import DataSpec

CARD, LABELS = "card.json", "labels.json"


def check_target(out: Path, force: bool) -> None:
    """Raises ValueError unless `out` may be written or replaced."""
    if not out.parent.is_dir():
        raise ValueError(
            f"`--out` must lie in a folder that exists. Received: {out}"
        )
    if not out.exists() or force:
        return
    if out.is_dir() and not any(out.iterdir()):
        return
    try:
        artefact.read_manifest(out, "bundle", check_files=False)
    except ValueError:
        raise ValueError(
            f"`--out` must be a new folder or an older bundle; `--force` "
            f"replaces anything. Received: {out}"
        ) from None


@contextlib.contextmanager
def staging(out: Path) -> Iterator[Path]:
    """Yields a temporary folder beside `out`, removed at the end."""
    with artefact.writing(out, "the bundle"):
        folder = tempfile.TemporaryDirectory(
            prefix=f"{artefact.TEMPORARY}{out.name}-", dir=out.parent
        )
    with folder as path:
        yield Path(path)


def fill(
    folder: Path,
    spec: DataSpec,
    data: Any,
    shipped: Mapping[str, Path],
    card: dict,
) -> None:
    """Writes every file of the bundle but its manifest into `folder`."""
    sources = {_model_file(name): path for name, path in shipped.items()}
    if any(FORMATS[name].has_runner for name in shipped):
        sources |= code(spec)
    values = {}
    for name, kind in {**spec.modalities, **spec.targets}.items():
        for file, content in kind.device_files(name, data).items():
            (sources if isinstance(content, Path) else values)[file] = content
    needed = sum(path.stat().st_size for path in sources.values())
    artefact.check_room(folder, "the bundle", needed)
    for name, source in sources.items():
        artefact.copy_file(source, folder / name)
    for name, value in {**values, LABELS: labels(spec)}.items():
        artefact.write_json(folder / name, value)
    artefact.write_json(folder / CARD, card)


def seal(
    folder: Path,
    spec: DataSpec,
    formats: Collection[str],
    quantize: str,
    streams: Mapping[str, Mapping] | None = None,
) -> dict:
    """Writes the manifest, which makes the folder a bundle."""
    has_code = [name for name in formats if FORMATS[name].has_runner]
    first = (has_code or list(formats))[0]
    files = sorted(p.name for p in folder.iterdir())
    inputs, outputs = [
        {
            name: describe(role, name, kind, folder, bool(has_code))
            for name, kind in sorted(kinds.items())
        }
        for role, kinds in roles(spec)
    ]
    return artefact.write_manifest(
        folder,
        "bundle",
        files,
        name=spec.name,
        spec_sha256=spec.sha256,
        model={
            "file": _model_file(first),
            "format": first,
            "quantize": quantize,
            "signature": SIGNATURE,
        },
        inputs=inputs,
        streams={
            name: {"signature": entry["signature"], "step": entry["step"]}
            for name, entry in (streams or {}).items()
        },
        present=list(spec.optional),
        outputs=outputs,
    )


def _model_file(name: str) -> str:
    return f"model{FORMATS[name].suffix}"


def put(folder: Path, out: Path) -> None:
    """Moves a finished folder to its name, in the place of an older one."""
    old = folder.with_name("old")
    if out.exists():
        out.rename(old)
    try:
        folder.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise


def labels(spec: DataSpec) -> dict[str, list[str]]:
    """Returns the classes by target, in the order of the outputs."""
    return {
        name: list(target.classes)
        for name, target in sorted(spec.targets.items())
        if hasattr(target, "classes")
    }


def next_command(manifest: dict, out: Path) -> str:
    """Returns a command line that answers for one sample."""
    form = FORMATS[manifest["model"]["format"]]
    if not form.has_runner:
        return f"open {out / manifest['model']['file']} in {form.runtime}"
    options = [
        f"--{name} {entry['example']}"
        for name, entry in manifest["inputs"].items()
    ]
    return f"python {out / RUNNER} {' '.join(options)}"

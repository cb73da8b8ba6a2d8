"""The bundle: everything a device needs, checked by its manifest."""

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmkeras import artefact
from mmkeras.artefact import MARKER
from mmkeras.export.bundle.device_code import RUNNER, code, describe, roles
from mmkeras.export.conversion.runtimes import SIGNATURE
from mmkeras.export.formats import FORMATS
from mmkeras.spec import DataSpec

CARD, LABELS = "card.json", "labels.json"
# The kind of a folder that is no bundle: it lost too much.
FAILED = "failed bundle"


def check_target(out: Path, force: bool) -> list[str]:
    """Returns kinds of folders that `out` may replace.

    Args:
        out: Folder of the bundle.
        force: Whether that may be any folder that mmkeras has written.

    Raises:
        ValueError: If it is none of these.
    """
    if not out.absolute().parent.is_dir():
        raise ValueError(
            f"`--out` must lie in a folder that exists. Received: {out}"
        )
    kinds = ["bundle"]
    if force and (other := artefact.kind_of(out)):
        kinds.append(other)
    try:
        artefact.check_out(out, kinds)
        artefact.check_out(failed_place(out), FAILED)
    except ValueError as error:
        raise ValueError(
            "`--out` must be a new folder or an older bundle; `--force` "
            "replaces other folders that mmkeras wrote, and nothing else. "
            f"Received: {out} ({error})"
        ) from None
    return kinds


def failed_place(out: Path) -> Path:
    """Returns where a bundle is put that lost too much."""
    return out.with_name(f"{out.name}.failed")


@contextlib.contextmanager
def staging(out: Path, kinds: Collection[str] = ("bundle",)) -> Iterator[Path]:
    """Yields a temporary folder in `out`, which nobody else writes.

    Args:
        out: Folder of the bundle; where it is new, it is made, and removed
            again if nothing comes of it.
        kinds: What it may replace.
    """
    with contextlib.ExitStack() as stack:
        with artefact.writing(out, "the bundle"):
            place = stack.enter_context(artefact.open_out(out, kinds))
            folder = stack.enter_context(artefact.scratch(place))
        yield folder


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
    # What lies in the way is told before anything is written.
    names = [*sources, *values, LABELS, CARD, "model.*"]
    artefact.claim(folder, "bundle", names)
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
    files = sorted(p.name for p in folder.iterdir() if p.name != MARKER)
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


def put(out: Path) -> None:
    """Puts a bundle that is whole in the place of an older one."""
    artefact.settle(out)
    # It goes to devices: its manifest alone says what is in it.
    artefact.release_listed(out)


def put_failed(folder: Path, out: Path) -> Path:
    """Puts a bundle that lost too much, without manifest, beside `out`."""
    names = [p.name for p in folder.iterdir() if p.name != MARKER]
    with artefact.open_out(failed_place(out), FAILED) as failed:
        artefact.clear(failed, FAILED)
        artefact.claim(failed, FAILED, names)
        for name in names:
            os.replace(folder / name, failed / name)
        artefact.sync(failed)
    return failed


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

"""The bundle: everything a device needs, checked by its manifest."""

import contextlib
import errno
import json
import shutil
import sysconfig
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmkeras import artefact
from mmkeras.export.conversion.runtimes import SIGNATURE
from mmkeras.spec import DataSpec

CARD, LABELS, RUNNER = "card.json", "labels.json", "run.py"
# The live mode lies in files of its own; one answer needs the first alone.
RUNNERS = (RUNNER, "live.py", "devices.py")
# What the tokenizers of pretrained models need besides.
SUBWORDS = "subwords.py"
DTYPES = {
    "image": "uint8", "audio": "float32", "text": "int32", "vector": "float32",
    "series": "float32", "video": "uint8", "volume": "float32",
}  # fmt: skip
PARAMETERS = {
    "image": ("height", "width", "channels"),
    "audio": ("sample_rate_hz", "duration_sec", "crop"),
    "text": ("max_tokens",),
    "series": (
        "channels", "sample_rate_hz", "duration_sec", "crop", "time_column",
    ),
    "video": (
        "frames", "height", "width", "channels", "sampling", "frame_rate_hz",
    ),
    "volume": (
        "depth", "height", "width", "spacing_mm", "window_low", "window_high",
    ),
    "vector": ("columns", "categorical"),
}  # fmt: skip


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
    with writing(out):
        folder = tempfile.TemporaryDirectory(
            prefix=f".tmp-{out.name}-", dir=out.parent
        )
    with folder as path:
        yield Path(path)


@contextlib.contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turns an error of the file system into one line about `out`."""
    try:
        yield
    except OSError as error:
        free = shutil.disk_usage(out.parent).free
        raise OSError(
            f"`{out}` must be writable, with room for the bundle. Received: "
            f"{error.strerror or error}; {free:,} bytes are free there"
        ) from error


def fill(
    folder: Path,
    spec: DataSpec,
    data: Any,
    shipped: Mapping[str, Path],
    card: dict,
) -> None:
    """Writes every file of the bundle but its manifest into `folder`."""
    sources = {f"model.{name}": path for name, path in shipped.items()}
    if "tflite" in shipped:
        for name in RUNNERS:
            sources[name] = runner_source().with_name(name)
        texts = [m for m in spec.modalities.values() if m.kind == "text"]
        if any(modality.vocabulary for modality in texts):
            sources[SUBWORDS] = runner_source().with_name(SUBWORDS)
    for name in _tokenizers(spec):
        sources[f"tokenizer_{name}.json"] = Path(data.tokenizer_path(name))
    for name, modality in spec.modalities.items():
        if getattr(modality, "categorical", ()):
            known = data.statistics["modalities"][name]["categories"]
            artefact.write_json(folder / f"categories_{name}.json", known)
    _check_room(folder, sources)
    for name, source in sources.items():
        with artefact.atomic(folder / name) as temporary:
            shutil.copyfile(source, temporary)
    artefact.write_json(folder / LABELS, labels(spec))
    artefact.write_json(folder / CARD, card)


def seal(
    folder: Path,
    spec: DataSpec,
    formats: Collection[str],
    quantize: str,
    streams: Mapping[str, Mapping] | None = None,
) -> dict:
    """Writes the manifest, which makes the folder a bundle."""
    first = "tflite" if "tflite" in formats else "onnx"
    files = sorted(p.name for p in folder.iterdir())
    return artefact.write_manifest(
        folder,
        "bundle",
        files,
        name=spec.name,
        spec_sha256=spec.sha256,
        model={
            "file": f"model.{first}",
            "format": first,
            "quantize": quantize,
            "signature": SIGNATURE,
        },
        inputs={
            name: _input(name, modality, folder)
            for name, modality in sorted(spec.modalities.items())
        },
        streams={
            name: {"signature": entry["signature"], "step": entry["step"]}
            for name, entry in (streams or {}).items()
        },
        present=list(spec.optional),
        outputs={
            name: _output(target)
            for name, target in sorted(spec.targets.items())
        },
    )


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


def next_command(manifest: dict, out: Path) -> str:
    """Returns a command line that answers for one sample."""
    if manifest["model"]["format"] != "tflite":
        return f"open {out / manifest['model']['file']} in an ONNX runtime"
    value = {
        "image": "IMAGE.png", "audio": "SOUND.wav", "text": '"A TEXT"',
        "vector": "1,2,3", "series": "SERIES.csv", "video": "FRAMES",
        "volume": "VOLUME.npy",
    }  # fmt: skip
    options = [
        f"--{name} {value[entry['kind']]}"
        for name, entry in manifest["inputs"].items()
    ]
    return f"python {out / RUNNER} {' '.join(options)}"


def _tokenizers(spec: DataSpec) -> list[str]:
    return [n for n, m in sorted(spec.modalities.items()) if m.kind == "text"]


def _input(name: str, modality: Any, folder: Path) -> dict:
    kept = modality.model_dump(mode="json", include=PARAMETERS[modality.kind])
    entry = {
        "kind": modality.kind,
        "shape": list(modality.shape),
        "dtype": DTYPES[modality.kind],
        "optional": modality.optional,
        **kept,
    }
    if modality.kind == "audio":
        entry["samples"] = modality.shape[0]
    if modality.kind == "text":
        entry["tokenizer"] = f"tokenizer_{name}.json"
        text = (folder / entry["tokenizer"]).read_text(encoding="utf-8")
        entry["vocabulary_size"] = len(json.loads(text)["model"]["vocab"])
    if getattr(modality, "categorical", ()):
        entry["categories"] = f"categories_{name}.json"
    return entry


def _output(target: Any) -> dict:
    if target.kind == "number":
        return {"kind": "number", "unit": target.unit}
    if target.kind == "embedding":
        return {"kind": "embedding"}
    entry = {"kind": target.kind, "classes": list(target.classes)}
    if target.kind == "sequence":
        entry["steps"] = target.steps
    return entry


def _check_room(folder: Path, sources: Mapping[str, Path]) -> None:
    needed = sum(path.stat().st_size for path in sources.values())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"{needed:,} bytes are needed")

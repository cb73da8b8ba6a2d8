"""Builds an index from a run or a bundle, and queries it."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmkeras import artefact
from mmkeras.arguments import check_choice
from mmkeras.data import (
    decode_value,
    learned_file,
    load_data,
    load_learned,
)
from mmkeras.export import to_tflite
from mmkeras.metrics import recall_between
from mmkeras.model import load_model
from mmkeras.spec import DataSpec
from mmkeras.studies.retrieval.encoder import (
    OUTPUT,
    embed,
    embedding_model,
    open_encoder,
    projections_of,
)
from mmkeras.studies.retrieval.index import Index
from mmkeras.training.alignment import pretraining as alignment  # noqa: F401, for load_model
from mmkeras.training.stages.resume import differences

FORMATS = ("keras", "tflite")
# Encoders by name, and the function that writes their files.
Encoders = tuple[dict[str, dict], dict[str, Callable[[Path], Any]]]


def build_index(
    source: str | Path,
    data_folder: str | Path,
    name: str,
    out: str | Path,
    split: str = "test",
    form: str = "keras",
    dtype: str = "float32",
) -> dict:
    """Embeds a split and writes its index, with the encoders of queries.

    Where the modalities of the model were aligned, the folder has an encoder
    for each of them, so that a sound can query images; recall between
    them, in both directions, goes into the manifest.

    Args:
        source: Folder of a run, or of a stage of one, such as
            `RUN/stages/3-align`; or a bundle whose model has an embedding
            target: then its file makes the embeddings, as the device does.
        data_folder: Folder of `prepare`.
        name: The modality that is embedded, or the target of kind
            "embedding".
        out: Folder to write.
        split: Whose samples are in the index.
        form: "keras", or "tflite": encoders are converted, and the
            embeddings are those of the files.
        dtype: "float32" or "int8"; see `Index`.

    Returns:
        The manifest.

    Raises:
        ValueError: If an argument is wrong, or nothing can be embedded.

    Example:

    >>> build_index("runs/first", "demo", "image", "index", form="tflite")
    """
    check_choice("form", form, FORMATS)
    inputs = (source, data_folder)
    with (
        artefact.open_out(out, "index", inputs) as place,
        artefact.scratch(place) as made,
    ):
        return _build(
            Path(source), Path(data_folder), name, place, made, split, form,
            dtype,
        )  # fmt: skip


def _build(
    source: Path,
    data_folder: Path,
    name: str,
    out: Path,
    made: Path,
    split: str,
    form: str,
    dtype: str,
) -> dict:
    """Makes encoders in the folder `made`, and their index in `out`."""
    manifest = artefact.read_manifest(source)
    kind = manifest["kind"]
    data = load_data(data_folder, augment=False)
    if kind == "bundle":
        encoders, writers = _of_bundle(source, name)
    else:
        encoders, writers = _of_run(source, name, form)
    read = {each for entry in encoders.values() for each in entry["inputs"]}
    _check_fits(manifest, data, read)
    for file, write in writers.items():
        with artefact.atomic(made / file) as temporary:
            write(temporary)
    columns = {n: i for i, n in enumerate(data.spec.optional)}
    found = {}
    for each, entry in encoders.items():
        run = open_encoder(made / entry["file"], entry["output"])
        found[each] = embed(
            run, entry["inputs"], data, split, columns.get(each)
        )
    if not len(found[name][1]):
        raise ValueError(
            f"The split '{split}' must have samples with `{name}`. "
            "Received: none"
        )
    vectors, ids = found[name]
    return Index(vectors, ids, dtype).save(
        out,
        files={**{file: made / file for file in writers}, **_learned(data)},
        name=name,
        split=split,
        encoders=encoders,
        spec=data.spec.to_dict(),
        source_sha256=artefact.sha256_of(source / artefact.MANIFEST),
        data_sha256=artefact.sha256_of(data_folder / artefact.MANIFEST),
        recall=_recalls(found, name),
    )


def _check_fits(manifest: Mapping[str, Any], data: Any, read: set[str]) -> None:
    """Raises ValueError unless the data are such as the encoders read."""
    if "spec" not in manifest:
        return
    lines = []
    spec = DataSpec.from_dict(manifest["spec"])
    theirs = manifest["spec"]["modalities"]
    ours = data.spec.to_dict()["modalities"]
    for name in sorted(read - {"present"}):
        lines += differences(
            _read(theirs[name]), _read(ours.get(name, {})), name
        )
    if "present" in read:
        lines += differences(spec.optional, data.spec.optional, "optional")
    here, there = data.vocabularies, manifest.get("vocabularies", {})
    for name in sorted(read & set(there)):
        lines += differences(there[name], here.get(name), f"tokens.{name}")
    if lines:
        raise ValueError(
            "`data` must fit those the model was trained on. Received, its "
            f"own -> these: {'; '.join(line[:200] for line in lines[:5])}"
        )


def _read(modality: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a modality's table says of a sample that is there."""
    # Where its files lie, and whether there has to be one.
    other = (
        *("column", "columns", "categorical", "file", "vocabulary"),
        "optional",
    )
    return {k: v for k, v in modality.items() if k not in other}


def query(
    folder: str | Path, files: Mapping[str, str], k: int = 10
) -> list[tuple[str, float]]:
    """Returns the ids of the k nearest items of an index, and their cosines.

    Args:
        folder: Folder of an index.
        files: By modality: a path; a text itself; or numbers with commas.
        k: How many.

    Example:

    >>> query("index", {"audio": "seven.wav"}, k=3)
    [('s12', 0.81), ('s430', 0.80), ('s7', 0.66)]
    """
    folder = Path(folder)
    manifest = artefact.read_manifest(folder, "index")
    spec = DataSpec.from_dict(manifest["spec"])
    encoders = manifest["encoders"]
    entry = next((e for e in encoders.values() if _reads(e, files, spec)), None)
    if entry is None:
        choices = " or ".join(
            " and ".join(n for n in e["inputs"] if n != "present")
            for e in encoders.values()
        )
        raise ValueError(
            f"`files` must have the inputs of an encoder: {choices}. "
            f"Received: {', '.join(sorted(files)) or 'nothing'}"
        )
    x = _inputs(folder, spec, entry["inputs"], files)
    encoder = open_encoder(folder / entry["file"], entry["output"])
    ids, near = Index.load(folder).search(encoder(x), k)
    return list(zip(ids[0].tolist(), near[0].tolist(), strict=True))


def _of_run(source: Path, name: str, form: str) -> Encoders:
    model = load_model(source)
    common = projections_of(model)
    names = sorted({name, *common}) if name in common else [name]
    found, writers = {}, {}
    for each in names:
        part = embedding_model(model, each)
        file = f"encoder_{each}.{form}"
        inputs = sorted(part.input)
        found[each] = {"file": file, "output": OUTPUT, "inputs": inputs}
        keep = part.save if form == "keras" else partial(to_tflite, part)
        writers[file] = keep
    return found, writers


def _of_bundle(source: Path, name: str) -> Encoders:
    manifest = artefact.read_manifest(source, "bundle")
    known = [n for n, o in manifest["outputs"].items() if o["kind"] == OUTPUT]
    if name not in known:
        raise ValueError(
            "`name` must be a target of kind 'embedding' of the bundle: "
            f"{', '.join(known) or 'it has none'}. Received: {name!r}"
        )
    model = manifest["model"]["file"]
    file = f"encoder_{model}"
    inputs = sorted(manifest["inputs"])
    if manifest["present"]:
        inputs.append("present")
    entry = {"file": file, "output": name, "inputs": inputs}
    return {name: entry}, {file: partial(shutil.copyfile, source / model)}


def _learned(data: Any) -> dict[str, Path]:
    """Returns the files of what reading learned, by name."""
    files = [
        learned_file(n, m) for n, m in sorted(data.spec.modalities.items())
    ]
    return {file: data.folder / file for file in files if file is not None}


def _recalls(found: Mapping[str, tuple], name: str) -> dict[str, Any]:
    """Returns recall between the index and each other modality."""
    recalls: dict[str, Any] = {}
    for other in sorted(set(found) - {name}):
        one, two = found[name], found[other]
        recalls |= recall_between(
            one[0], two[0], (one[1], two[1]), (name, other)
        )
    return recalls


def _reads(entry: dict, files: Mapping[str, str], spec: DataSpec) -> bool:
    """Whether the files have all inputs of an encoder."""
    inputs = set(entry["inputs"]) - {"present"}
    spare = set(spec.optional) if "present" in entry["inputs"] else set()
    return bool(files) and set(files) <= inputs and inputs - spare <= set(files)


def _inputs(
    folder: Path, spec: DataSpec, names: list[str], files: Mapping[str, str]
) -> dict[str, np.ndarray]:
    x, learned = {}, load_learned(spec, {}, folder)
    for name in set(names) - {"present"}:
        modality = spec.modalities[name]
        if name in files:
            value = decode_value(modality, files[name], name, learned[name])
        else:
            value = np.full(modality.shape, modality.absent, modality.dtype)
        x[name] = value[None]
    if "present" in names:
        here = [float(name in files) for name in spec.optional]
        x["present"] = np.array([here], "float32")
    return x

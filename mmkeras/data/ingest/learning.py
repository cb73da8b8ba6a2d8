"""What reading takes from the training split: learned once, then the same."""

import fnmatch
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmkeras.artefact import write_text
from mmkeras.data.files.source import SampleIO
from mmkeras.spec import MODALITIES, DataSpec, Learned, Modality


def learn(
    spec: DataSpec, root: str | Path, cells: Mapping[str, Sequence[str]]
) -> dict[str, Learned]:
    """Returns what each modality that learns has learned.

    Args:
        spec: The spec.
        root: Folder of the data.
        cells: Those of the training split alone, by column.
    """
    found = {
        name: modality.learn(cells, SampleIO(str(root), name))
        for name, modality in spec.modalities.items()
    }
    return {name: one for name, one in found.items() if one is not None}


def learned_file(name: str, modality: Modality) -> str | None:
    """Returns the name of the file of what a modality learned; None: none."""
    stem = modality.learned_file
    return f"{stem}_{name}.json" if stem else None


def kinds_with(stem: str) -> str:
    """Returns the kinds of modality that learn a file called so, quoted."""
    known = MODALITIES.known.items()
    found = [repr(k) for k, kind in known if kind.learned_file == stem]
    return " or ".join(sorted(found))


def learned_files() -> list[str]:
    """Returns patterns of the names of such files, of all kinds."""
    stems = {kind.learned_file for kind in MODALITIES.known.values()}
    return sorted(f"{stem}_*.json" for stem in stems if stem)


def is_learned(file: str) -> bool:
    """Whether some kind of modality would name a file so."""
    return any(fnmatch.fnmatchcase(file, each) for each in learned_files())


def save(
    spec: DataSpec, learned: Mapping[str, Learned], folder: Path
) -> list[str]:
    """Writes the files of what was learned; returns their names."""
    files = []
    for name, modality in spec.modalities.items():
        file, text = (
            learned_file(name, modality),
            learned.get(name, Learned()).file,
        )
        if (file is None) != (text is None):
            raise ValueError(
                f"Kind '{modality.kind}' must learn a file if `learned_file` "
                f"names one, and only then. Received: learned_file="
                f"{modality.learned_file!r}, and "
                f"{'no file' if text is None else 'a file'}"
            )
        if text is not None:
            files.append(file)
            write_text(folder / file, text)
    return files


def load_learned(
    spec: DataSpec, facts: Mapping[str, dict], folder: Path
) -> dict[str, Learned]:
    """Returns what was learned, from its facts and the files in `folder`.

    Args:
        spec: The spec.
        facts: JSON values by modality; other statistics may be among them.
        folder: Folder that `save` wrote to.
    """
    found = {}
    for name, modality in spec.modalities.items():
        file = learned_file(name, modality)
        text = file and (folder / file).read_bytes().decode()
        found[name] = Learned(dict(facts.get(name, {})), text)
    return found


def vocabularies(
    spec: DataSpec, learned: Mapping[str, Learned]
) -> dict[str, str]:
    """Returns SHA-256, by modality, of what tokens or categories mean."""
    texts = {
        name: spec.modalities[name].vocabulary_of(one)
        for name, one in learned.items()
    }
    return {
        name: hashlib.sha256(text.encode()).hexdigest()
        for name, text in texts.items()
        if text is not None
    }


def open_learned(
    spec: DataSpec, learned: Mapping[str, Learned]
) -> dict[str, Any]:
    """Returns what readers find as `io.learned`, by modality."""
    return {
        name: spec.modalities[name].open_learned(one)
        for name, one in learned.items()
    }

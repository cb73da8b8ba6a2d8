"""The hashes of files that training batches are changed with."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from mmkeras.artefact import sha256_of
from mmkeras.spec import DataSpec


def hashes(spec: DataSpec, settings: Mapping[str, Mapping]) -> dict[str, str]:
    """Returns the SHA-256 of files that settings name, by modality and key.

    Of a folder, it is that of the names and hashes of its files.
    """
    found = {}
    for name, values in settings.items():
        if name not in spec.modalities:
            continue
        for key, change in spec.modalities[name].augmentations.items():
            value = values.get(key)
            # What is not there is refused where it is read.
            if change.is_file and value and Path(value).exists():
                found[f"{name}.{key}"] = _sha256(Path(value))
    return found


def _sha256(path: Path) -> str:
    if not path.is_dir():
        return sha256_of(path)
    digest = hashlib.sha256()
    for one in sorted(path.iterdir()):
        if one.is_file():
            digest.update(f"{one.name}\0{sha256_of(one)}\0".encode())
    return digest.hexdigest()

"""Values that were in memory, as files that kinds read like any other.

Samples that come as arrays are written as files first, each named by the hash
of what it holds. So there is one way of reading them, and a run that was
stopped finds again what it had.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmkeras.artefact import write_bytes

# No path of a manifest can begin so: a URL is refused.
MARK = "memory://"


@dataclass(frozen=True)
class Keeper:
    """Writes values from memory into a folder.

    Args:
        folder: The folder; it is made when there is something to write.
    """

    folder: Path

    def __call__(self, suffix: str, raw: bytes) -> str:
        """Returns the path of a file with these bytes, for a cell.

        Args:
            suffix: Of the format, such as ".png".
            raw: What the file holds.
        """
        name = f"{hashlib.sha256(raw).hexdigest()[:32]}{suffix}"
        path = self.folder / name
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_bytes(path, raw)
        return MARK + name


def place_of(root: str, arrays: str | None, path: str) -> tuple[str, str]:
    """Returns the folder that a path lies in, and its name there."""
    if arrays is not None and path.startswith(MARK):
        return arrays, path.removeprefix(MARK)
    return root, path


def kept_file(
    value: Any,
    keep: Callable[[str, bytes], str],
    suffix_of: Callable[[bytes], str],
) -> str | None:
    """Returns the cell for the bytes of a file, or for its path.

    Args:
        value: Bytes, or a dict of "bytes" and "path", of which one may be
            None, as data sets of Hugging Face hold files.
        keep: From a suffix and bytes to a path.
        suffix_of: Tells the suffix from the bytes of a file without a name.

    Returns:
        None for a value of any other kind.
    """
    if isinstance(value, Mapping) and {*value} <= {"bytes", "path"}:
        raw, path = value.get("bytes"), value.get("path")
        if raw is None:
            return path or ""
        return keep(Path(path or "").suffix.lower() or suffix_of(raw), raw)
    if isinstance(value, bytes):
        # Texts of a tf.data.Dataset are bytes; no file of a medium is a text.
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return keep(suffix_of(value), value)
        printable = text.isprintable() and len(text) <= 4096
        return text if printable else keep(suffix_of(value), value)
    return None

"""Whose a folder and its files are: nothing of anybody else's is touched."""

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

from mmkeras.artefact.manifest import MANIFEST


def check_out(
    out: str | Path, kind: str, inputs: Iterable[str | Path] = ()
) -> None:
    """Raises ValueError if writing to `out` would destroy something else.

    Args:
        out: Folder to write.
        kind: What it becomes; an older folder of this kind may be replaced.
            A run made of others is of kind "ensemble" here.
        inputs: Folders that are read for it.
    """
    out = Path(out)
    found = None
    if (out / MANIFEST).is_file():
        found = "unknown"
        with contextlib.suppress(ValueError, KeyError, TypeError):
            text = (out / MANIFEST).read_text(encoding="utf-8")
            manifest = json.loads(text)
            found = "ensemble" if "ensemble" in manifest else manifest["kind"]
    if out.resolve() in {Path(place).resolve() for place in inputs}:
        raise ValueError(
            "`out` must be a folder of its own. Received: "
            f"`{out}`, which is read for it"
        )
    if found not in (None, kind):
        raise ValueError(
            f"`out` must be a new folder, or one of kind '{kind}'. "
            f"Received: `{out}` of kind '{found}'"
        )

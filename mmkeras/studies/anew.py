"""A study begun anew: made beside the old one, which is whole until then."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mmkeras import artefact
from mmkeras.escaping import say

# In the study's folder: what is made anew, as a study of its own.
STAGE = ".anew"
# In there, once it is whole; it says whether the old study is gone.
WHOLE, CLEARED = ".whole", "the older study is gone"
STAYS = {WHOLE, STAGE, artefact.MARKER, artefact.LOCK}
Found = TypeVar("Found")


def study(
    out: Path,
    kind: str,
    make: Callable[[Path], Found],
    forget: Callable[[Path], None],
    restart: bool,
) -> Found:
    """Makes a study, or goes on with it; with `restart`, in place of another.

    The old one stays until the new one is whole, in `OUT/.anew`; where it is
    stopped, the same call goes on there. A swap that was stopped is ended by
    the next call of any kind.

    Args:
        out: Folder of the study, held by the caller.
        kind: Of its manifest.
        make: Makes the study in a folder; what is done there is kept.
        forget: Removes the study in a folder, but for what is not ours.
        restart: Whether what `out` holds is to be made again.
    """
    stage = out / STAGE
    _swap(out, kind, forget)
    if not restart or not _holds_one(out):
        return make(out)
    if stage.is_dir():
        say(f"goes on in {stage}")
    make(stage)
    artefact.claim(stage, kind, [WHOLE])
    artefact.write_text(stage / WHOLE, "")
    _swap(out, kind, forget)
    # All is done already; what names the folder is written again.
    return make(out)


def _holds_one(out: Path) -> bool:
    """Whether there is more than what says whose the folder is."""
    return bool({each.name for each in out.iterdir()} - STAYS)


def _swap(out: Path, kind: str, forget: Callable[[Path], None]) -> None:
    """Puts a new study that is whole into the place of the old one."""
    stage = out / STAGE
    if not (stage / WHOLE).is_file() or artefact.kind_of(stage) != kind:
        return
    top = [each.name for each in stage.iterdir() if each.name not in STAYS]
    alone = [name for name in top if (stage / name).is_file()]
    artefact.check_files(out, alone, artefact.owned(out))
    if (stage / WHOLE).read_text(encoding="utf-8") != CLEARED:
        forget(out)
        artefact.write_text(stage / WHOLE, CLEARED)
    files = [
        path.relative_to(stage)
        for path in sorted(stage.rglob("*"))
        if not path.is_dir() and path.relative_to(stage).parts[0] not in STAYS
    ]
    for name in files:
        inside = len(name.parts) > 1 and name.name != artefact.MARKER
        if inside and os.path.lexists(out / name):
            raise ValueError(
                f"`{out / name}` must not be there, where a file of the new "
                f"study is to be. Received: a file that is not ours, and "
                f"stays; move it away, and the study in `{stage}` takes its "
                "place"
            )
    artefact.adopt(out, kind, {*artefact.owned(out), *alone})
    for name in files:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(stage / name, out / name)
    for folder in sorted(stage.rglob("*"), reverse=True):
        if folder.is_dir() and not folder.is_symlink():
            folder.rmdir()
    # The swap is over: before all else, or the next would clear the new one.
    (stage / WHOLE).unlink()
    artefact.clear(stage)

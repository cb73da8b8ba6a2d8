"""A folder with the DICOM files of a scan, and whatever lies beside them."""

import dataclasses
from pathlib import Path

from mmkeras.data.files.dicom import read_dicom
from mmkeras.data.files.dicom_files import is_dicom
from mmkeras.data.files.reasons import BadSample, Reason
from mmkeras.data.files.scan import MAX_BYTES, Scan
from mmkeras.data.files.source import SampleIO

HEAD_BYTES = 512
INDEX = "DICOMDIR"
# Files of any size may lie beside slices; of those only the head is read.
ANY_BYTES = 2**62
# Bytes that no text has.
CONTROL = frozenset(range(32)) - set(b"\t\n\f\r")


def read_folder(io: SampleIO, name: str, names: list[str]) -> Scan:
    """Reads the slices in a folder, and counts what else is there.

    Passed over are files of the system, texts and pictures, an index and
    reports. What is named like the slices and is none is damage, not a
    neighbour: without it, a scan could lose its first or last slice.

    Args:
        io: What files are opened with.
        name: The folder.
        names: Of the files in it.

    Raises:
        BadSample: With the reason. It names files by number, as a name may
            be that of the patient.
    """
    seen = [inner for inner in names if not inner.startswith(".")]
    files, others, total = [], [], 0
    suffixes = set()
    for number, inner in enumerate(seen, 1):
        path = f"{name}/{inner}"
        where = f"{name!r}, file {number} of {len(seen)}"
        try:
            with io.open(path, ANY_BYTES) as file:
                head = file.read(HEAD_BYTES)
            if not is_dicom(head):
                others.append((inner, head, where))
                continue
            files.append(io.bytes(path))
        except BadSample as error:
            raise BadSample(error.reason, where) from None
        except OSError:
            raise BadSample(Reason.UNREADABLE, where) from None
        if inner.upper() != INDEX:
            suffixes.add(_suffix(inner))
        total += len(files[-1])
        if total > MAX_BYTES:
            raise BadSample(
                Reason.TOO_LARGE, f"{name!r}: more than {MAX_BYTES:,} bytes"
            )
    for inner, head, where in others:
        _check_neighbour(inner, head, suffixes, where)
    if not files:
        raise BadSample(Reason.EMPTY, f"{name!r}: no DICOM file")
    scan = read_dicom(files, name)
    ignored = len(names) - len(files) + scan.notes["neighbours_ignored"]
    notes = {**scan.notes, "neighbours_ignored": ignored}
    return dataclasses.replace(scan, notes=notes)


def _check_neighbour(
    inner: str, head: bytes, suffixes: set[str], where: str
) -> None:
    """Raises BadSample if a file must have been a slice."""
    suffix = _suffix(inner)
    if inner.upper() == INDEX or suffix not in suffixes:
        return
    if suffix or not _is_text(head):
        reason = Reason.WRONG_FORMAT if head else Reason.EMPTY
        raise BadSample(reason, f"{where} is no DICOM file")


def _suffix(inner: str) -> str:
    """Returns how a file's name ends; digits are part of a number."""
    suffix = Path(inner).suffix.lower()
    return "" if suffix[1:].isdigit() else suffix


def _is_text(head: bytes) -> bool:
    return bool(head) and not CONTROL & set(head)

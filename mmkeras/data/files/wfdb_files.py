"""WFDB records, as PhysioNet has them: a header and its signal files."""

import math
import re
import tempfile
from pathlib import Path

import numpy as np

from mmkeras.data.files.extras import needs
from mmkeras.data.files.reasons import BadSample, Reason, guarded
from mmkeras.data.files.resampling import check_size
from mmkeras.data.files.source import SampleIO

MAX_HEADER_BYTES = 2**16
# The library takes milliseconds to read the line of a signal.
MAX_SIGNALS = 256
# Bytes of a sample by WFDB format; formats that compress are not read.
WFDB_BYTES = {
    "8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2,
    "212": 1.5, "310": 4 / 3, "311": 4 / 3,
}  # fmt: skip


def record_files(name: str) -> tuple[str, ...]:
    """Returns the files that a record may have, by its path alone."""
    return tuple(f"{name}{end}" for end in (".hea", ".dat", ".mat"))


def read_wfdb(
    io: SampleIO, name: str, channels: tuple[str, ...]
) -> tuple[np.ndarray, float]:
    """Reads a record by the library, of files that were checked before.

    The library sees copies in a folder of its own: a header may name any
    file, and its comments tell age, sex and diagnosis.

    Args:
        io: The files.
        name: The record's path, without a suffix.
        channels: The wanted channels.

    Returns:
        `(steps, channels)` with NaN in gaps, and the rate in Hz.
    """
    wfdb = needs("wfdb", "medical")
    text = _header_text(io, name)
    with tempfile.TemporaryDirectory(prefix="mmkeras-") as folder:
        copy = Path(folder, "record")
        copy.with_suffix(".hea").write_text(text, encoding="utf-8")
        with guarded(Reason.BAD_HEADER, repr(name)):
            header = wfdb.rdheader(str(copy))
            files = _check_wfdb(header, name)
            places = _places(header.sig_name, channels, name)
        for file, needed in files.items():
            raw = io.bytes(str(Path(name).with_name(file)))
            if len(raw) < needed:
                raise BadSample(
                    Reason.TRUNCATED,
                    f"{name!r}: {len(raw):,} of {needed:,} bytes",
                )
            Path(folder, file).write_bytes(raw)
        with guarded(Reason.CORRUPT, repr(name)):
            found = wfdb.rdrecord(str(copy), channels=places).p_signal
    return found, float(header.fs)


def _header_text(io: SampleIO, name: str) -> str:
    """Returns the header without its comments."""
    with io.open(f"{name}.hea", MAX_HEADER_BYTES) as file:
        lines = file.read().decode("ascii", "replace").splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    if len(lines) > MAX_SIGNALS + 1:
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: {len(lines)} lines")
    text = "\n".join(lines)
    # The library takes a rate that it cannot read for the usual 250 Hz.
    if not re.match(r"\s*\S+\s+\d+\s+\d", text):
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: no rate")
    return f"{text}\n"


def _places(signals: list[str], wanted: tuple[str, ...], name: str) -> list:
    lacking = [channel for channel in wanted if channel not in signals]
    if lacking:
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: no {lacking[0]!r}")
    return [signals.index(channel) for channel in wanted]


def _check_wfdb(header, name: str) -> dict[str, int]:
    """Returns the signal files and the bytes that each must have."""
    parts = list(
        zip(
            header.file_name,
            header.fmt,
            header.samps_per_frame,
            header.byte_offset,
            header.skew,
            strict=True,
        )
    )
    length, files = header.sig_len or 0, {}
    for file, code, frame, offset, skew in parts:
        offset, skew = offset or 0, skew or 0
        if (
            not re.fullmatch(r"\w[\w.-]{0,200}", file)
            or file == "record.hea"
            or code not in WFDB_BYTES
            or not 1 <= frame <= 64
            or not 0 <= offset <= MAX_HEADER_BYTES
            or not 0 <= skew <= 1000
        ):
            raise BadSample(
                Reason.BAD_HEADER,
                f"{name!r}: a signal of an unknown format, or elsewhere",
            )
        files.setdefault(file, offset)
        files[file] += math.floor(length * frame * WFDB_BYTES[code])
    if not length or len(parts) != header.n_sig:
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: no length or signals")
    check_size(length * sum(part[2] for part in parts), name)
    return files

"""WFDB records, as PhysioNet has them: a header and its signal files."""

import math
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mmkeras.data.files.extras import needs
from mmkeras.data.files.reasons import BadSample, Reason, guarded
from mmkeras.data.files.resampling import check_size
from mmkeras.data.files.signals.recording import Signals, places
from mmkeras.data.files.signals.units import MICRO, plain_unit
from mmkeras.data.files.source import SampleIO

MAX_HEADER_BYTES = 2**16
# The library takes milliseconds to read the line of a signal.
MAX_SIGNALS = 256
MAX_SEGMENTS = 2048
# Bytes of a sample by WFDB format; formats that compress are not read.
WFDB_BYTES = {
    "8": 1, "16": 2, "24": 3, "32": 4, "61": 2, "80": 1, "160": 2,
    "212": 1.5, "310": 4 / 3, "311": 4 / 3,
}  # fmt: skip
COPY = "record"
GAP = "~"
# What a record's header says where it says nothing.
USUAL_UNIT = "mV"


def record_files(name: str) -> tuple[str, ...]:
    """Returns the files that a record may have, by its path alone."""
    return tuple(f"{name}{end}" for end in (".hea", ".dat", ".mat"))


def read_wfdb(io: SampleIO, name: str, channels: Sequence[str]) -> Signals:
    """Reads a record by the library, of files that were checked before.

    The library sees copies in a folder of its own: a header may name any
    file, and its comments tell age, sex and diagnosis. A record of several
    segments is read as one; where a segment lacks a channel is a gap.

    Args:
        io: The files.
        name: The record's path, without a suffix.
        channels: The wanted channels.
    """
    wfdb = needs("wfdb", "medical")
    text = _header_text(io, name)
    with tempfile.TemporaryDirectory(prefix="mmkeras-") as folder:
        copy = Path(folder, COPY)
        copy.with_suffix(".hea").write_text(text, encoding="utf-8")
        with guarded(Reason.BAD_HEADER, repr(name)):
            header = wfdb.rdheader(str(copy))
        if isinstance(header, wfdb.MultiRecord):
            units = _copy_segments(wfdb, io, name, header, folder, channels)
            with guarded(Reason.CORRUPT, repr(name)):
                found = wfdb.rdrecord(str(copy), channel_names=list(channels))
                at = places(found.sig_name, channels, name)
                values = found.p_signal[:, at]
        else:
            at = _copy_signals(io, name, header, folder, channels)
            units = _units(header, at)
            with guarded(Reason.CORRUPT, repr(name)):
                values = wfdb.rdrecord(str(copy), channels=at).p_signal
    notes = {"segments_joined": 1} if hasattr(header, "seg_name") else {}
    return Signals(values, float(header.fs), units=units, notes=notes)


def units_of_wfdb(io: SampleIO, name: str, channels: Sequence[str]) -> list:
    """Returns the unit of each channel, by headers alone; None: not there.

    All records of the training split are asked, and the library takes 20 ms
    for a header.
    """
    text = _header_text(io, name)
    lines = [line.split(maxsplit=8) for line in text.splitlines()[1:]]
    if "/" in text.split()[0]:
        inside = [line[0] for line in lines if line and _is_name(line[0])]
        if not inside:
            return [None] * len(channels)
        segment = _header_text(io, str(Path(name).with_name(inside[0])))
        lines = [line.split(maxsplit=8) for line in segment.splitlines()[1:]]
    there = {}
    for line in lines:
        if len(line) == 9:
            unit = line[2].partition("/")[2]
            there[line[8].strip()] = plain_unit(unit or USUAL_UNIT)
    return [there.get(channel) for channel in channels]


def _header_text(io: SampleIO, name: str) -> str:
    """Returns the header without its comments."""
    with io.open(f"{name}.hea", MAX_HEADER_BYTES) as file:
        raw = file.read()
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    # The library drops letters beyond ASCII: microvolts would be volts.
    for micro in MICRO:
        text = text.replace(micro, "u")
    lines = text.encode("ascii", "replace").decode().splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    text = "\n".join(lines)
    # The library takes a rate that it cannot read for the usual 250 Hz.
    if not re.match(r"\s*\S+\s+\d+\s+\d", text):
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: no rate")
    segmented = "/" in text.split()[0]
    if len(lines) > (MAX_SEGMENTS if segmented else MAX_SIGNALS) + 1:
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: {len(lines)} lines")
    return f"{text}\n"


def _units(header, at: list[int]) -> tuple[str, ...]:
    stated = header.units or [None] * header.n_sig
    return tuple(plain_unit(stated[i] or USUAL_UNIT) for i in at)


def _copy_signals(
    io: SampleIO, name: str, header, folder: str, channels: Sequence[str]
) -> list[int]:
    """Copies the signal files of a record; returns where channels stand."""
    with guarded(Reason.BAD_HEADER, repr(name)):
        files = _check_wfdb(header, name)
        at = places(header.sig_name, channels, name)
    _copy(io, name, files, folder)
    return at


def _copy(io: SampleIO, name: str, files: dict[str, int], folder: str) -> None:
    for file, needed in files.items():
        raw = io.bytes(str(Path(name).with_name(file)))
        if len(raw) < needed:
            raise BadSample(
                Reason.TRUNCATED, f"{name!r}: {len(raw):,} of {needed:,} bytes"
            )
        Path(folder, file).write_bytes(raw)


def _copy_segments(
    wfdb, io: SampleIO, name: str, whole, folder: str, channels: Sequence[str]
) -> tuple[str, ...]:
    """Copies headers and signal files of all segments; returns the units."""
    units: dict[str, str] = {}
    check_size((whole.sig_len or 0) * max(1, whole.n_sig), name)
    lengths = zip(whole.seg_name, whole.seg_len, strict=True)
    for segment, length in dict.fromkeys(lengths):
        if segment == GAP:
            continue
        if not _is_name(segment):
            raise BadSample(Reason.BAD_HEADER, f"{name!r}: a segment elsewhere")
        path = str(Path(name).with_name(segment))
        text, copy = _header_text(io, path), Path(folder, segment)
        if "/" in text.split()[0]:
            raise BadSample(Reason.BAD_HEADER, f"{name!r}: segments in one")
        copy.with_suffix(".hea").write_text(text, encoding="utf-8")
        with guarded(Reason.BAD_HEADER, repr(path)):
            header = wfdb.rdheader(str(copy))
        if header.fs != whole.fs or (header.sig_len or 0) != length:
            raise BadSample(
                Reason.BAD_HEADER, f"{name!r}: a segment of another length"
            )
        there = header.sig_name or []
        here = [channel for channel in channels if channel in there]
        at = places(there, here, path)
        for channel, unit in zip(here, _units(header, at), strict=True):
            if units.setdefault(channel, unit) != unit:
                raise BadSample(
                    Reason.BAD_UNIT,
                    f"{name!r}: {channel!r} in {units[channel]} and in {unit}",
                )
        if length:
            with guarded(Reason.BAD_HEADER, repr(path)):
                files = _check_wfdb(header, path)
            _copy(io, path, files, folder)
    places(list(units), channels, name)
    return tuple(units[channel] for channel in channels)


def _is_name(file: str) -> bool:
    return bool(re.fullmatch(r"\w[\w.-]{0,200}", file)) and file != COPY


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
            not _is_name(file)
            or file.endswith(".hea")
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

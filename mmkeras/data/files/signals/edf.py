"""European Data Format and BDF: several channels, each at its own rate."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmkeras.data.files.extras import needs
from mmkeras.data.files.reasons import BadSample, Reason, guarded
from mmkeras.data.files.resampling import check_size
from mmkeras.data.files.signals.recording import Signals, places
from mmkeras.data.files.signals.units import plain_unit

STARTS = (b"0       ", b"\xffBIOSEMI")
MAX_SIGNALS = 1024
FIXED_BYTES = 256


def read_edf(raw: bytes, name: str, channels: Sequence[str]) -> list[Signals]:
    """Reads channels by pyedflib, one `Signals` each.

    The library sees a copy without the patient's name, in a folder of its own.
    """
    edf = needs("pyedflib", "medical")
    raw, notes = _checked(raw, name)
    with tempfile.TemporaryDirectory(prefix="mmkeras-") as folder:
        copy = Path(folder, "record.edf")
        copy.write_bytes(raw)
        with (
            guarded(Reason.CORRUPT, repr(name)),
            edf.EdfReader(str(copy)) as file,
        ):
            labels = [label.strip() for label in file.getSignalLabels()]
            found = []
            for place in places(labels, channels, name):
                rate = file.getSampleFrequency(place)
                check_size(int(file.getNSamples()[place]), name)
                values = file.readSignal(place)
                unit = plain_unit(file.getPhysicalDimension(place))
                found.append(
                    Signals(
                        np.asarray(values, np.float64)[:, None],
                        float(rate),
                        units=(unit,),
                        notes=notes,
                    )
                )
                notes = {}
    return found


def units_of_edf(raw: bytes, name: str, channels: Sequence[str]) -> list:
    """Returns the unit of each channel, by the header alone; None: none."""
    count = _number(raw, 252, 4, name)
    labels = _fields(raw, 0, 16, count)
    units = _fields(raw, 96, 8, count)
    return [
        plain_unit(units[place]) for place in places(labels, channels, name)
    ]


def _fields(raw: bytes, before: int, size: int, count: int) -> list[str]:
    """Returns a field of each signal; `before`: bytes a signal up to it."""
    start = FIXED_BYTES + before * count
    texts = [raw[start + size * i :][:size] for i in range(count)]
    return [text.decode("latin-1").strip() for text in texts]


def _number(raw: bytes, place: int, size: int, name: str) -> int:
    try:
        return int(raw[place : place + size].decode("ascii"))
    except ValueError:
        raise BadSample(
            Reason.BAD_HEADER, f"{name!r}: a header without numbers"
        ) from None


def _checked(raw: bytes, name: str) -> tuple[bytes, dict[str, int]]:
    """Returns the bytes as the library takes them, without a patient."""
    count = _number(raw, 252, 4, name)
    head, records = _number(raw, 184, 8, name), _number(raw, 236, 8, name)
    if not 1 <= count <= MAX_SIGNALS or head != FIXED_BYTES * (count + 1):
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: {count} signals")
    if raw[192:197] in (b"EDF+D", b"BDF+D"):
        raise BadSample(
            Reason.BAD_HEADER,
            f"{name!r}: records with gaps between them (EDF+D)",
        )
    width = 3 if raw[:1] == b"\xff" else 2
    steps = [int(s) if s.isdigit() else 0 for s in _fields(raw, 216, 8, count)]
    record = width * sum(steps)
    if not record:
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: records of no step")
    notes, there = {}, max(0, len(raw) - head) // record
    if records == -1:
        # The recorder was switched off before it wrote the number.
        records, notes = there, {"length_unknown": 1}
    if records <= 0:
        raise BadSample(Reason.EMPTY, f"{name!r}: {records} records")
    if there < records:
        raise BadSample(
            Reason.TRUNCATED, f"{name!r}: {there:,} of {records:,} records"
        )
    anyone = f"{'X X X X':80}{'Startdate X X X X':80}".encode()
    made = raw[:8] + anyone + raw[168:236] + f"{records:<8}".encode()
    return made + raw[244 : head + records * record], notes

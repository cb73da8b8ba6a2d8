"""Fault 22, for sensor data: lying headers and bombs are refused."""

import io
import re
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pyarrow
import pytest
from data.data_toys import read_cell
from data.signal_toys import signal
from pyarrow import parquet

from mmkeras.data import BadSample
from mmkeras.data.files import MAX_RESAMPLED_VALUES
from mmkeras.kinds import Series

pytest.importorskip("pyedflib")
pytest.importorskip("wfdb")
VALUES = {
    "kind": "series", "column": "x", "channels": ["a", "b"],
    "sample_rate_hz": 50, "duration_sec": 2, "file_rate_hz": 50,
}  # fmt: skip


def npy(shape, dtype="<f8", data=b"", version=1) -> bytes:
    """An .npy file whose header may say anything."""
    file = io.BytesIO()
    head = {"descr": dtype, "fortran_order": False, "shape": shape}
    getattr(np.lib.format, f"write_array_header_{version}_0")(file, head)
    return file.getvalue() + data


def hea(
    rate="50", steps="100", count=2, code="16", file="x.dat", gain="200"
) -> dict:
    """A WFDB record whose header may say anything."""
    lines = [f"x {count} {rate} {steps}"]
    for channel in "ab"[:count]:
        lines.append(f"{file} {code} {gain} 16 0 0 0 0 {channel}")
    return {"x.hea": "\n".join(lines).encode(), "x.dat": bytes(400)}


def table(head="a,b", row="1,2", count=100, tail="") -> bytes:
    return f"{head}\n{f'{row}{chr(10)}' * count}{tail}".encode()


def objects() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([[{}, {}]], dtype=object), allow_pickle=True)
    return file.getvalue()


def npz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as found:
        for name, raw in members.items():
            found.writestr(f"{name}.npy", raw)
    return file.getvalue()


def npz_bomb() -> bytes:
    """0.3 MB that unpack to 300 MB, of which the header needs 100 bytes."""
    return npz(a=npy((2**60,), data=bytes(150_000_000)), b=npy((2**60,)))


def mat_bomb() -> bytes:
    """0.3 MB that unpack to 300 MB inside one compressed element."""
    squeeze = zlib.compressobj(9)
    parts = [squeeze.compress(bytes(2**20)) for _ in range(300)]
    packed = b"".join([*parts, squeeze.flush()])
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    return head + struct.pack("<II", 15, len(packed)) + packed


def parquet_bomb() -> bytes:
    """One text, and 2,000 times a reference to it: 2 GB of 48 kB."""
    file = io.BytesIO()
    column = pyarrow.array(["1" * 1_000_000]).dictionary_encode()
    column = column.take(pyarrow.array([0] * 2000))
    parquet.write_table(pyarrow.table({"a": column, "b": column}), file)
    return file.getvalue()


def edf(steps=50, records=2, labels=("a", "b"), kind="") -> bytes:
    """An EDF whose header may say anything, with two records of zeros."""
    count = len(labels)
    fields = [
        (labels, 16), ([""] * count, 80), (["uV"] * count, 8),
        (["-1"] * count, 8), (["1"] * count, 8), (["-32768"] * count, 8),
        (["32767"] * count, 8), ([""] * count, 80),
        ([str(steps)] * count, 8), ([""] * count, 32),
    ]  # fmt: skip
    head = f"{'0':8}{'X':80}{'X':80}01.01.0100.00.00{256 * (count + 1):<8}"
    head += f"{kind:44}{records:<8}{'1':8}{count:<4}"
    head += "".join(f"{t:{n}}" for texts, n in fields for t in texts)
    return head.encode() + bytes(2 * 2 * 50 * count)


# By case: the files, which is the first of them, and the reasons.
HOSTILE = {
    "npy 1e18 values": ({"x.npy": npy((2**60, 2))}, "too_large"),
    "npy below zero": ({"x.npy": npy((-5, 2))}, "bad_header|empty"),
    "npy both below zero": ({"x.npy": npy((-5, -2))}, "bad_header|empty"),
    "npy says more": (
        {"x.npy": npy((1000, 2), data=bytes(1600))},
        "truncated",
    ),
    "npy no data": ({"x.npy": npy((100, 2))}, "truncated"),
    "npy no steps": ({"x.npy": npy((0, 2))}, "empty"),
    "npy 1024 channels": (
        {"x.npy": npy((10, 1024), data=bytes(81920))},
        "bad_header",
    ),
    "npy 5 axes": ({"x.npy": npy((1,) * 5, data=bytes(8))}, "bad_header"),
    "npy complex": ({"x.npy": npy((9, 2), "<c16", bytes(999))}, "bad_header"),
    "npy objects": ({"x.npy": objects()}, "bad_header"),
    "npy cut in its header": ({"x.npy": npy((9, 2))[:30]}, "wrong_format"),
    "npy junk": ({"x.npy": bytes(900)}, "wrong_format"),
    "npy nan": (
        {"x.npy": npy((9, 2), data=np.full(18, np.nan).tobytes())},
        "empty",
    ),
    "npy infinity": (
        {"x.npy": npy((9, 2), data=np.full(18, np.inf).tobytes())},
        "not_finite",
    ),
    "npy beyond float32": (
        {"x.npy": npy((9, 2), data=np.full(18, 1e300).tobytes())},
        "not_finite",
    ),
    "csv no such column": ({"x.csv": table("a,c")}, "bad_header"),
    "csv words": ({"x.csv": table(row="1,two")}, "not_a_number"),
    "csv uneven": ({"x.csv": table(tail="1,2,3,4\n")}, "corrupt"),
    "csv no rows": ({"x.csv": table(count=0)}, "empty"),
    "csv empty cells": ({"x.csv": table(row=",")}, "empty"),
    "csv infinity": ({"x.csv": table(row="inf,1")}, "not_finite"),
    "csv 100,000 columns": (
        {"x.csv": table(",".join(["a"] * 100_000))},
        "bad_header",
    ),
    "csv one endless line": ({"x.csv": b"a" * 400_000}, "bad_header"),
    "csv no utf-8": ({"x.csv": b"a,b\n\xff\xfe,1\n"}, "not_a_number"),
    "csv zeros": ({"x.csv": bytes(900)}, "wrong_format"),
    "wfdb rate 0": (hea(rate="0"), "bad_header"),
    "wfdb rate 2e9": (hea(rate="2000000000"), "bad_header"),
    "wfdb rate below zero": (hea(rate="-50"), "bad_header"),
    "wfdb rate nan": (hea(rate="nan"), "bad_header"),
    "wfdb 1e12 steps": (hea(steps="1000000000000"), "too_large|truncated"),
    "wfdb no length": (hea(steps=""), "bad_header"),
    "wfdb says more": (hea(steps="101"), "truncated"),
    "wfdb 1024 channels": (hea(count=1024), "bad_header"),
    "wfdb 2,000 signals": (
        {"x.hea": b"x 2000 50 100\n" + b"x.dat 16 200 16 0 0 0 0 a\n" * 2000},
        "bad_header",
    ),
    "wfdb 1e6 a frame": (hea(code="16x1000000"), "bad_header"),
    "wfdb skew": (hea(code="16:100000000"), "bad_header"),
    "wfdb starts far out": (hea(code="16+100000000"), "bad_header"),
    "wfdb flac": (hea(code="516"), "bad_header"),
    "wfdb no such format": (hea(code="999"), "bad_header"),
    "wfdb another folder": (hea(file="../x.dat"), "bad_header"),
    "wfdb absolute": (hea(file="/etc/passwd"), "bad_header"),
    "wfdb another protocol": (hea(file="s3://a/b"), "bad_header"),
    "wfdb no such file": (hea(file="y.dat"), "not_found"),
    "wfdb no segments": (
        {"x.hea": b"x/2 2 50 100\ny 50\nz 50\n"},
        "not_found",
    ),
    "wfdb segments elsewhere": (
        {"x.hea": b"x/2 2 50 100\n../y 50\n/etc/z 50\n"},
        "bad_header",
    ),
    "wfdb 3,000 segments": (
        {"x.hea": b"x/3000 2 50 300000\n" + b"y 100\n" * 3000},
        "bad_header",
    ),
    "wfdb segments of 1e12 steps": (
        {"x.hea": b"x/1 2 50 1000000000000\ny 1000000000000\n"},
        "too_large",
    ),
    "wfdb a segment of itself": (
        {"x.hea": b"x/2 2 50 100\nx 50\nx 50\n"},
        "bad_header",
    ),
    "wfdb a segment of another length": (
        {"x.hea": b"x/1 2 50 90\ny 90\n", "y.hea": hea()["x.hea"]},
        "bad_header",
    ),
    "wfdb a segment cut": (
        {
            "x.hea": b"x/1 2 50 101\ny 101\n",
            "y.hea": hea(steps="101")["x.hea"],
            "x.dat": bytes(400),
        },
        "truncated",
    ),
    "mat junk": ({"x.mat": b"MATLAB 5.0 MAT-file".ljust(900)}, "truncated"),
    "mat bomb": ({"x.mat": mat_bomb()}, "too_large"),
    "mat 7.3": ({"x.mat": b"MATLAB 7.3 MAT-file".ljust(900)}, "wrong_format"),
    "npz bomb": ({"x.npz": npz_bomb()}, "truncated|too_large"),
    "npz of objects": ({"x.npz": npz(a=objects(), b=objects())}, "bad_header"),
    "npz says more": (
        {"x.npz": npz(a=npy((10**7,)), b=npy((10**7,)))},
        "truncated",
    ),
    "npz junk": ({"x.npz": b"PK\3\4" + bytes(900)}, "corrupt"),
    "npz lacks a channel": (
        {"x.npz": npz(a=npy((1,), data=bytes(8)), c=npy((1,), data=bytes(8)))},
        "bad_header",
    ),
    "parquet junk": ({"x.parquet": b"PAR1" + bytes(900) + b"PAR1"}, "corrupt"),
    "parquet bomb": ({"x.parquet": parquet_bomb()}, "not_a_number"),
    "edf junk": ({"x.edf": b"0       ".ljust(999)}, "bad_header"),
    "edf no steps": ({"x.edf": edf(steps=0)}, "bad_header"),
    "edf 1e8 steps": ({"x.edf": edf(steps=99_999_999)}, "truncated"),
    "edf says more": ({"x.edf": edf(records=9)}, "truncated"),
    "edf of gaps": ({"x.edf": edf(kind="EDF+D")}, "bad_header"),
    "edf lacks a channel": ({"x.edf": edf(labels=("a", "c"))}, "bad_header"),
    "wfdb empty": ({"x.hea": b""}, "bad_header"),
    "wfdb junk": ({"x.hea": bytes(range(256)) * 9}, "bad_header"),
    "wfdb 1 MB header": ({"x.hea": b"#" * 2**20}, "too_large"),
    "other format": ({"x.pdf": b"%PDF-1.4\n\0\1"}, "wrong_format"),
}


def written(folder, case) -> str:
    files, _ = HOSTILE[case]
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    return next(iter(files)).removesuffix(".hea")


@pytest.mark.parametrize("case", HOSTILE)
def test_it_is_refused_with_a_reason(tmp_path, case):
    name = written(tmp_path, case)
    with pytest.raises(BadSample) as caught:
        read_cell(Series(**VALUES), tmp_path, name)
    assert re.match(HOSTILE[case][1], caught.value.reason), caught.value


@pytest.mark.parametrize(
    "row, told",
    [
        ("1,DOE JOHN", "column 2 holds more than numbers"),
        ("1,2,DOE JOHN 1950-01-01", "no table of so many columns in row 3"),
        ('1,"DOE JOHN', "column 2 holds more than numbers"),
    ],
)
def test_what_stands_in_a_file_is_not_told(tmp_path, row, told):
    (tmp_path / "x.csv").write_text(f"a,b\n1,2\n{row}\n3,4\n")
    with pytest.raises(BadSample) as caught:
        read_cell(Series(**VALUES), tmp_path, "x.csv")
    assert caught.value.detail == f"'x.csv': {told}"


@pytest.mark.parametrize("rate", [1e-9, 1e6, 0.01])
def test_a_rate_that_would_blow_up_is_refused(tmp_path, rate):
    np.save(tmp_path / "x.npy", signal())
    modality = Series(**{**VALUES, "file_rate_hz": rate})
    with pytest.raises(BadSample, match="bad_header.*Hz"):
        read_cell(modality, tmp_path, "x.npy")


@pytest.mark.parametrize(
    "times, reason",
    [
        ("0,0", "corrupt"),
        ("0,nan", "corrupt"),
        ("0,1e-300", "too_large|bad_header|corrupt"),
        ("0,1,2,1e12", "too_large"),
        ("0,inf", "corrupt|too_large"),
    ],
)
def test_impossible_times_are_refused(tmp_path, times, reason):
    rows = "".join(f"1,2,{time}\n" for time in times.split(","))
    (tmp_path / "x.csv").write_text(f"a,b,t\n{rows}")
    modality = Series(**{**VALUES, "time_column": "t"})
    with pytest.raises(BadSample) as caught:
        read_cell(modality, tmp_path, "x.csv")
    assert re.match(reason, caught.value.reason), caught.value


def test_memory_and_time_stay_bounded(tmp_path):
    for number, case in enumerate(HOSTILE):
        (tmp_path / str(number)).mkdir()
        written(tmp_path / str(number), case)
    # 40 million values of one byte: within the size of a file, not of ours.
    (tmp_path / "large").mkdir()
    with open(tmp_path / "large" / "x.npy", "wb") as file:
        file.write(npy((MAX_RESAMPLED_VALUES, 2), "|i1"))
        file.truncate(2 * MAX_RESAMPLED_VALUES + 128)
    code = (
        "import resource, sys, time, pathlib, soxr, wfdb, pyarrow.csv\n"
        "import pandas, pyarrow.parquet, pyedflib, scipy.io\n"
        "from mmkeras.data import SampleIO\n"
        "from mmkeras.kinds import Series\n"
        "read = Series.part('read').read\n"
        f"spec = Series(**{VALUES!r})\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before, started = peak(), time.monotonic()\n"
        "for folder in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    name = max(folder.iterdir()).name.replace('x.hea', 'x')\n"
        "    try: read(spec, {'x': name}, SampleIO(str(folder)))\n"
        "    except ValueError: pass\n"
        "print(peak() - before, time.monotonic() - started)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True
    )
    assert done.stdout, done.stderr
    kilobytes, seconds = map(float, done.stdout.split())
    assert kilobytes < 200_000 and seconds < 5


def test_nothing_is_left_in_the_temporary_folder(tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    for case in ("wfdb says more", "wfdb rate 0", "wfdb junk"):
        name = written(tmp_path, case)
        with pytest.raises(BadSample):
            read_cell(Series(**VALUES), tmp_path, name)
    assert not list((tmp_path / "temporary").iterdir())

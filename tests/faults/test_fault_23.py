"""Fault 23: a scan is no bomb, and no tag of a patient leaves its file."""

import csv
import re
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from data.signal_toys import (
    PATIENT,
    body,
    dicom_bytes,
    nifti_bytes,
    signals_spec,
    write_dicom_folder,
    write_signals,
)

from mmkeras.data import BadSample, SampleIO, prepare
from mmkeras.kinds import Volume

pytest.importorskip("nibabel")
pytest.importorskip("pydicom")
volume = Volume.part("read")
EXPLICIT = "1.2.840.10008.1.2.1"
PLANE = body()[0]


def deflated(raw: bytes, repeat: int = 0) -> bytes:
    """Rewrites an explicit file as deflated, with zeros after its data."""
    end = 144 + struct.unpack_from("<L", raw, 140)[0]
    meta = raw[132:end].replace(EXPLICIT.encode() + b"\0", b"")
    uid = f"{EXPLICIT}.99".encode()
    at = raw.index(b"\2\0\x10\0UI", 132)
    length = struct.unpack_from("<H", raw, at + 6)[0]
    meta = (
        raw[144:at] + b"\2\0\x10\0UI" + struct.pack("<H", len(uid)) + uid
        + raw[at + 8 + length : end]
    )  # fmt: skip
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = [squeeze.compress(raw[end:])]
    packed += [squeeze.compress(bytes(2**20)) for _ in range(repeat)]
    return (
        raw[:140] + struct.pack("<L", len(meta)) + meta
        + b"".join(packed) + squeeze.flush()
    )  # fmt: skip


def header(raw: bytes, offset: int, code: str, *values) -> bytes:
    """Returns a NIfTI with other values in its header."""
    raw = bytearray(raw)
    struct.pack_into(f"<{code}", raw, offset, *values)
    return bytes(raw)


def many_tags() -> bytes:
    """A file whose tags fill 8 MB before its pixels."""
    raw = dicom_bytes(PLANE)
    end = 144 + struct.unpack_from("<L", raw, 140)[0]
    tag = b"\x09\0\x10\0LO\0\0" * 1_000_000
    return raw[:end] + tag + raw[end:]


def many_items() -> bytes:
    """A file with a sequence of a million empty items."""
    raw = dicom_bytes(PLANE)
    end = 144 + struct.unpack_from("<L", raw, 140)[0]
    items = b"\xfe\xff\0\xe0\0\0\0\0" * 1_000_000
    start = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff"
    return raw[:end] + start + items + b"\xfe\xff\xdd\xe0\0\0\0\0" + raw[end:]


def nested() -> bytes:
    """A file with sequences inside sequences, 20,000 deep."""
    raw = dicom_bytes(PLANE)
    end = 144 + struct.unpack_from("<L", raw, 140)[0]
    inner = (
        b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
    )
    return raw[:end] + inner * 20_000 + raw[end:]


def rle(length: int) -> bytes:
    """A frame of 8 x 10 pixels that unpacks to 64 times `length` bytes."""
    from pydicom.encaps import encapsulate

    starts = struct.pack("<16L", 2, 64, 64 + length, *[0] * 13)
    coded = starts + b"\x81\0" * length
    return dicom_bytes(
        PLANE,
        syntax="1.2.840.10008.1.2.5",
        PixelData=encapsulate([coded]),
    )


def jpeg2000(side: int, syntax="1.2.840.10008.1.2.4.90") -> bytes:
    """A frame that says it is larger than the header does."""
    from pydicom.encaps import encapsulate

    coded = b"\xff\x4f\xff\x51\0\x29\0\0" + struct.pack(
        ">8L", side, side, 0, 0, side, side, 0, 0
    )
    pixels = encapsulate([coded + bytes(200)])
    return dicom_bytes(PLANE, syntax=syntax, PixelData=pixels)


NIFTI = nifti_bytes(body())
# By case: the file's name, its bytes, and the reasons.
HOSTILE = {
    "deflated bomb": (
        "x.dcm",
        lambda: deflated(
            dicom_bytes(PLANE, Rows=60_000, Columns=60_000, NumberOfFrames=9),
            repeat=100,
        ),
        "too_large",
    ),
    "deflated bomb of tags": (
        "x.dcm",
        lambda: deflated(many_tags()),
        "bad_header|empty",
    ),
    "deflated and cut": (
        "x.dcm",
        lambda: deflated(dicom_bytes(PLANE, Rows=4000, Columns=4000)),
        "truncated",
    ),
    "deflated junk": (
        "x.dcm",
        lambda: deflated(dicom_bytes(PLANE))[:300] + bytes(range(256)) * 9,
        "corrupt|empty",
    ),
    "huge frames": (
        "x.dcm",
        lambda: dicom_bytes(PLANE, NumberOfFrames=2_000_000_000),
        "too_large",
    ),
    "frames below zero": (
        "x.dcm",
        lambda: dicom_bytes(PLANE, NumberOfFrames=-4),
        "bad_header",
    ),
    "huge plane": (
        "x.dcm",
        lambda: dicom_bytes(PLANE, Rows=65535, Columns=65535),
        "too_large",
    ),
    "no rows": ("x.dcm", lambda: dicom_bytes(PLANE, Rows=0), "bad_header"),
    "rows missing": ("x.dcm", lambda: dicom_bytes(PLANE, Rows=None), "bad_h"),
    "no pixels": (
        "x.dcm",
        lambda: dicom_bytes(PLANE, PixelData=None),
        "empty",
    ),
    "few pixels": ("x.dcm", lambda: dicom_bytes(PLANE, Rows=9), "truncated"),
    "cut": ("x.dcm", lambda: dicom_bytes(PLANE)[:-20], "truncated"),
    "cut in its tags": ("x.dcm", lambda: dicom_bytes(PLANE)[:500], "empty"),
    "header alone": ("x.dcm", lambda: dicom_bytes(PLANE)[:140], "bad_header"),
    "7 bits": (
        "x.dcm",
        lambda: dicom_bytes(PLANE, BitsAllocated=7),
        "bad_header",
    ),
    "colour": (
        "x.dcm",
        lambda: dicom_bytes(PLANE, SamplesPerPixel=3),
        "wrong_format",
    ),
    "slope of words": (
        "x.dcm",
        lambda: dicom_bytes(PLANE).replace(
            b"DS\x08\0-1000.0 ", b"DS\x08\0Zofia   "
        ),
        "bad_header",
    ),
    "spacing 0": (
        "x.dcm",
        lambda: dicom_bytes(PLANE, spacing=(0, 0)),
        "bad_header",
    ),
    "8 MB of tags": ("x.dcm", many_tags, "bad_header"),
    "a million items": ("x.dcm", many_items, "bad_header|empty"),
    "20,000 deep": ("x.dcm", nested, "bad_header|empty"),
    "rle bomb": ("x.dcm", lambda: rle(5_000_000), "corrupt"),
    "jpeg 2000 of 60,000": ("x.dcm", lambda: jpeg2000(60_000), "corrupt"),
    "a video": (
        "x.dcm",
        lambda: jpeg2000(8, "1.2.840.10008.1.2.4.100"),
        "wrong_format",
    ),
    "junk": ("x.dcm", lambda: bytes(9000), "wrong_format"),
    "empty": ("x.dcm", lambda: b"", "empty"),
    "nifti 32767 ** 3": (
        "x.nii",
        lambda: header(NIFTI, 40, "4h", 3, 32767, 32767, 32767),
        "too_large",
    ),
    "nifti no side": (
        "x.nii",
        lambda: header(NIFTI, 40, "4h", 3, 0, 8, 6),
        "bad_header",
    ),
    "nifti side below zero": (
        "x.nii",
        lambda: header(NIFTI, 40, "4h", 3, -10, 8, 6),
        "bad_header",
    ),
    "nifti 99 axes": ("x.nii", lambda: header(NIFTI, 40, "h", 99), "bad_head"),
    "nifti type 9999": (
        "x.nii",
        lambda: header(NIFTI, 70, "h", 9999),
        "bad_header",
    ),
    "nifti complex": ("x.nii", lambda: header(NIFTI, 70, "h", 32), "bad_head"),
    "nifti data far out": (
        "x.nii",
        lambda: header(NIFTI, 108, "f", 1e30),
        "bad_header",
    ),
    "nifti data at nan": (
        "x.nii",
        lambda: header(NIFTI, 108, "f", np.nan),
        "bad_header",
    ),
    "nifti intercept nan": (
        "x.nii",
        lambda: header(NIFTI, 112, "2f", 2, np.nan),
        "bad_header",
    ),
    "nifti cut": ("x.nii", lambda: NIFTI[:-20], "truncated"),
    "nifti cut in its header": ("x.nii", lambda: NIFTI[:99], "truncated"),
    "nifti junk": ("x.nii", lambda: bytes(9000), "wrong_format"),
    "gzip bomb": (
        "x.nii.gz",
        lambda: zlib.compress(
            header(NIFTI, 40, "4h", 3, 2000, 2000, 2000) + bytes(2**26), 9, 31
        ),
        "too_large",
    ),
    "gzip bomb without a header": (
        "x.nii.gz",
        lambda: zlib.compress(bytes(2**26), 9, 31),
        "wrong_format",
    ),
    "gzip with another checksum": (
        "x.nii.gz",
        lambda: nifti_bytes(body(), compress=True)[:-8] + bytes(8),
        "corrupt",
    ),
    "gzip cut": (
        "x.nii.gz",
        lambda: nifti_bytes(body(), compress=True)[:-40],
        "truncated",
    ),
    "gzip damaged": (
        "x.nii.gz",
        lambda: nifti_bytes(body(), compress=True)[:60] + bytes(99),
        "corrupt|truncated|bad_header",
    ),
    "other format": ("x.mha", lambda: b"ObjectType = Image", "wrong_format"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder a case, with its file."""
    folder = tmp_path_factory.mktemp("hostile")
    for case, (name, make, _) in HOSTILE.items():
        (folder / case).mkdir()
        (folder / case / name).write_bytes(make())
    return folder


@pytest.mark.parametrize("case", HOSTILE)
def test_it_is_refused_with_a_reason(files, case):
    name, _, reason = HOSTILE[case]
    with pytest.raises(BadSample) as caught:
        volume.oriented(
            volume.read_scan(SampleIO(str(files / case)), name), name
        )
    assert re.match(reason, caught.value.reason), caught.value
    for value in PATIENT.values():
        assert value not in str(caught.value)


def test_memory_and_time_stay_bounded(files):
    code = (
        "import resource, sys, time, pathlib, pydicom, nibabel\n"
        "import pydicom.pixels\n"
        "from mmkeras.data import SampleIO\n"
        "from mmkeras.kinds import Volume\n"
        "read_scan = Volume.part('read').read_scan\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "slowest, before = 0, peak()\n"
        "for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    started = time.monotonic()\n"
        "    io = SampleIO(str(folder))\n"
        "    try: read_scan(io, next(folder.iterdir()).name)\n"
        "    except ValueError: pass\n"
        "    slowest = max(slowest, time.monotonic() - started)\n"
        "print(peak() - before, slowest)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, files], capture_output=True, text=True
    )
    assert done.stdout, done.stderr
    assert done.stderr == ""
    kilobytes, seconds = map(float, done.stdout.split())
    assert kilobytes < 200_000 and seconds < 2


def test_an_honest_deflated_file_is_read(tmp_path):
    (tmp_path / "x.dcm").write_bytes(deflated(dicom_bytes(PLANE)))
    scan = volume.read_scan(SampleIO(str(tmp_path)), "x.dcm")
    np.testing.assert_array_equal(scan.voxels, PLANE[None])
    assert (scan.slope, scan.intercept) == (1, -1000)


def test_no_tag_of_the_patient_leaves_the_files(tmp_path, capfd):
    pytest.importorskip("av")
    pytest.importorskip("wfdb")
    root = tmp_path / "raw"
    write_signals(root, 9)
    with open(root / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    # Broken scans are reported, by more than one reader.
    write_dicom_folder(root / "scan9", body())
    (root / "scan9" / f"{PATIENT['PatientName']}.dcm").write_bytes(b"x")
    for number, name in enumerate(("deflated and cut", "slope of words")):
        (root / f"bad{number}.dcm").write_bytes(HOSTILE[name][1]())
    broken = ["scan9", "bad0.dcm", "bad1.dcm"]
    for i, name in enumerate(broken):
        rows.append({**rows[0], "id": f"b{i}", "scan": name, "split": "train"})
    with open(root / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    values = signals_spec(root).to_dict()
    values["data"]["max_bad_fraction"] = 0.5
    spec = type(signals_spec()).from_dict(values)
    found = prepare(spec, tmp_path / "out", workers=2)
    assert sum(found["quarantined"].values()) == len(broken)
    texts = ["".join(capfd.readouterr()).encode()]
    texts += [p.read_bytes() for p in tmp_path.glob("out/*")]
    assert any(b"b0" in text for text in texts)
    for value in PATIENT.values():
        for part in value.split("^"):
            assert not any(part.encode() in text for text in texts), part


@pytest.mark.parametrize(
    "name", ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm"]
)
def test_damage_is_refused_or_read_and_nothing_else(tmp_path, name):
    from pathlib import Path

    import pydicom

    raw = Path(pydicom.__file__).parent.joinpath("data/test_files", name)
    raw, random, seen = raw.read_bytes(), np.random.default_rng(0), set()
    for _ in range(60):
        bad = bytearray(raw)
        for place in random.integers(132, 2500, 3):
            bad[place] = random.integers(256)
        (tmp_path / "x.dcm").write_bytes(bad)
        try:
            seen.add(
                volume.read_scan(SampleIO(str(tmp_path)), "x.dcm").voxels.shape
            )
        except BadSample as error:
            seen.add(str(error.reason))
    assert (1, 64, 64) in seen and "bad_header" in seen


def test_a_damaged_nifti_is_refused_or_read_and_nothing_else(tmp_path):
    random, seen = np.random.default_rng(0), set()
    for _ in range(300):
        bad = bytearray(NIFTI)
        for place in random.integers(0, 352, 3):
            bad[place] = random.integers(256)
        (tmp_path / "x.nii").write_bytes(bad)
        try:
            seen.add(
                len(
                    volume.oriented(
                        volume.read_scan(SampleIO(str(tmp_path)), "x.nii"), "x"
                    )
                )
            )
        except BadSample as error:
            seen.add(str(error.reason))
    assert {2, "bad_header", "wrong_format"} <= seen

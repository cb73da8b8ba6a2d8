"""EDF, BDF, WFDB, Parquet, .npz and .mat: values, units, rates, segments."""

import io
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data.signal_toys import PATIENT, RATE, signal

from mmkeras.data import BadSample, SampleIO
from mmkeras.data.files.signals import unit_scale
from mmkeras.kinds import Series
from mmkeras.spec import Learned

for package in ("pyedflib", "wfdb"):
    pytest.importorskip(package)
SHARED = Path(__file__).parents[3] / "shared" / "data"


def spec(**changes) -> Series:
    values = {
        "kind": "series", "column": "x", "channels": ["a", "b"],
        "sample_rate_hz": RATE, "duration_sec": 2,
    }  # fmt: skip
    return Series(**{**values, **changes})


def read(folder, name, learned=None, **changes):
    io = SampleIO(str(folder), "ecg", learned)
    found = spec(**changes).read({"x": name}, io)
    return found.value, found.notes


# WFDB and units (D6).


def write_units(folder, name, values, units, **options):
    import wfdb

    wfdb.wrsamp(
        name, fs=options.get("rate", RATE), units=units, sig_name=["a", "b"],
        p_signal=np.asarray(values, float), fmt=["16", "16"],
        write_dir=str(folder),
    )  # fmt: skip


@pytest.mark.parametrize(
    "stated, wanted, scale",
    [
        ("mV", "mV", 1), ("uV", "mV", 1e-3), ("\u00b5V", "mV", 1e-3),
        ("\u03bcV", "uV", 1), ("V", "mV", 1e3), ("mg", "g", 1e-3),
        ("[mV]", "mV", 1), ("hPa", "kPa", 0.1), ("mmHg", "mmHg", 1),
        ("mmHg", "kPa", None), ("mV", "mA", None), ("NU", "mV", None),
        ("min", "m", None), ("MHz", "kHz", 1e3), ("mm", "m", 1e-3),
    ],
)  # fmt: skip
def test_units_are_the_same_or_make_each_other_or_do_not(stated, wanted, scale):
    assert unit_scale(stated, wanted) == scale


def test_records_in_another_unit_are_turned_into_the_declared_one(tmp_path):
    write_units(tmp_path, "milli", signal(), ["mV", "mV"])
    write_units(tmp_path, "micro", signal() * 1000, ["uV", "mV"])
    found, notes = read(tmp_path, "milli", units=["mV", "mV"])
    np.testing.assert_allclose(found, signal(), atol=2e-3)
    assert notes == {}
    found, notes = read(tmp_path, "micro", units=["mV", "V"])
    np.testing.assert_allclose(found, signal() * [1, 1], atol=2e-3)
    assert notes == {"unit_changed": 1}
    with pytest.raises(BadSample, match="^bad_unit: 'milli': 'b' in mV, not g"):
        read(tmp_path, "milli", units=["mV", "g"])


def test_differing_units_that_nobody_declared_are_refused(tmp_path):
    write_units(tmp_path, "milli", signal(), ["mV", "mV"])
    write_units(tmp_path, "micro", signal() * 1000, ["uV", "mV"])
    (tmp_path / "c.csv").write_text("a,b\nmV,mV\n1,2\n")
    files = SampleIO(str(tmp_path), "ecg")
    cells = {"x": ["milli", "", "c.csv", "gone"]}
    learned = spec().learn(cells, files)
    assert learned == Learned({"units": ["mV", "mV"]})
    with pytest.raises(
        ValueError,
        match=r"`units` of `ecg` must be declared where files differ. "
        r"Received: 'a' in mV \('milli'\) and in uV \('micro'\)",
    ):
        spec().learn({"x": ["milli", "micro"]}, files)
    assert spec(units=["mV", "mV"]).learn({"x": ["milli"]}, files) is None
    # One of another split is left out.
    units = spec().open_learned(learned)
    assert read(tmp_path, "milli", units)[1] == {}
    with pytest.raises(
        BadSample, match="^bad_unit: 'micro': 'a' in uV, not mV"
    ):
        read(tmp_path, "micro", units)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_micro_is_micro_in_any_encoding(tmp_path, encoding):
    write_units(tmp_path, "r", signal(), ["uV", "mV"])
    head = tmp_path / "r.hea"
    text = head.read_text().replace("uV", "\u00b5V")
    head.write_bytes(text.encode(encoding))
    files = SampleIO(str(tmp_path), "ecg")
    found = spec().learn({"x": ["r"]}, files)
    assert found.facts == {"units": ["uV", "mV"]}
    found, _ = read(tmp_path, "r", units=["mV", "mV"])
    np.testing.assert_allclose(found[:, 0] * 1e3, signal()[:, 0], atol=2e-3)


def test_units_are_those_that_wfdb_reads(tmp_path):
    import wfdb

    lines = ["r 6 50 100", "r.dat 16 200/mV 12 0 0 0 0 plain",
             "r.dat 16 200(5)/uV 12 0 0 0 0 based",
             "r.dat 16 1.5e2(-5)/mmHg 12 0 0 0 0 two words",
             "r.dat 16 200 12 0 0 0 0 silent",
             "r.dat 16x2:3+4 200/V 12 0 0 0 0 framed",
             "r.dat 16 0 12 0 0 0 0 uncalibrated"]  # fmt: skip
    (tmp_path / "r.hea").write_text("\n".join(lines) + "\n")
    head = wfdb.rdheader(str(tmp_path / "r"))
    files = SampleIO(str(tmp_path), "ecg")
    found = spec(channels=head.sig_name).learn({"x": ["r"]}, files)
    expected = [unit or "mV" for unit in head.units]
    assert found.facts == {"units": expected}
    assert expected == ["mV", "uV", "mmHg", "mV", "V", "mV"]


def test_files_that_state_no_unit_learn_nothing(tmp_path):
    np.save(tmp_path / "x.npy", signal())
    (tmp_path / "c.csv").write_text("a,b\n1,2\n")
    files = SampleIO(str(tmp_path), "ecg")
    assert spec().learn({"x": ["x.npy", "c.csv"]}, files) is None
    # As workers have it, who were told no facts.
    nothing = spec().open_learned(Learned())
    found, _ = read(tmp_path, "x.npy", nothing, file_rate_hz=RATE)
    np.testing.assert_array_equal(found, signal().astype("float32"))


def write_segments(folder, name, parts, layout=None):
    """Writes a record of segments; None is a gap of 20 steps."""
    import wfdb

    folder.mkdir(exist_ok=True)
    lines, total = [], 0
    if layout:
        lines.append(f"{name}_layout 0")
        text = [f"{name}_layout 2 {RATE} 0"]
        text += [f"~ 0 200 16 0 0 0 0 {channel}" for channel in "ab"]
        (folder / f"{name}_layout.hea").write_text("\n".join(text) + "\n")
    for number, part in enumerate(parts):
        if part is None:
            lines.append("~ 20")
            total += 20
            continue
        values, names = part
        wfdb.wrsamp(
            f"{name}_{number}", fs=RATE, units=["mV"] * len(names),
            sig_name=list(names), p_signal=values, fmt=["16"] * len(names),
            write_dir=str(folder),
        )  # fmt: skip
        lines.append(f"{name}_{number} {len(values)}")
        total += len(values)
    head = f"{name}/{len(lines)} 2 {RATE} {total}"
    (folder / f"{name}.hea").write_text("\n".join([head, *lines]) + "\n")


def test_a_record_of_segments_is_read_as_one(tmp_path):
    import wfdb

    parts = [(signal()[:60], "ab"), (signal()[60:], "ab")]
    write_segments(tmp_path / "r", "s", parts)
    found, notes = read(tmp_path, "r/s")
    np.testing.assert_allclose(found, signal(), atol=2e-3)
    expected = wfdb.rdrecord(str(tmp_path / "r" / "s")).p_signal
    np.testing.assert_array_equal(found, expected.astype("float32"))
    assert notes == {"segments_joined": 1}


def test_segments_of_other_channels_and_gaps_are_gaps(tmp_path):
    values = signal()
    parts = [(values[:40], "ab"), None, (values[60:80, 1:], "b"),
             (values[80:, ::-1], "ba")]  # fmt: skip
    write_segments(tmp_path / "r", "s", parts, layout=True)
    found, notes = read(tmp_path, "r/s")
    expected = values.copy()
    expected[40:60] = np.nan
    expected[60:80, 0] = np.nan
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert notes == {"segments_joined": 1, "with_gaps": 1, "gap_steps": 40}
    files = SampleIO(str(tmp_path), "ecg")
    assert spec().learn({"x": ["r/s"]}, files).facts == {"units": ["mV"] * 2}


def test_a_segment_in_another_unit_is_refused(tmp_path):
    parts = [(signal()[:60], "ab"), (signal()[60:], "ab")]
    write_segments(tmp_path, "s", parts)
    head = tmp_path / "s_1.hea"
    head.write_text(head.read_text().replace("/mV", "/uV"))
    with pytest.raises(BadSample, match="^bad_unit: 's': 'a' in mV and in uV"):
        read(tmp_path, "s")


def test_real_records_are_what_wfdb_reads(tmp_path):
    import wfdb

    record = SHARED / "mitbih" / "100"
    if not record.with_suffix(".hea").is_file():
        pytest.skip("no MIT-BIH records beside the project")
    head = wfdb.rdheader(str(record))
    found, _ = read(
        record.parent, "100", channels=head.sig_name[:2],
        sample_rate_hz=head.fs, duration_sec=5,
    )  # fmt: skip
    expected = wfdb.rdrecord(str(record), sampto=len(found)).p_signal
    np.testing.assert_array_equal(found, expected[:, :2].astype("float32"))


# EDF and BDF.


def write_edf(path, signals, rates, names=("a", "b"), unit="mV", kind=None):
    import pyedflib

    kinds = {".bdf": pyedflib.FILETYPE_BDF}
    kind = kinds.get(path.suffix, pyedflib.FILETYPE_EDF)
    with pyedflib.EdfWriter(str(path), len(signals), kind) as file:
        file.setPatientName(PATIENT["PatientName"])
        for place, (values, rate) in enumerate(
            zip(signals, rates, strict=True)
        ):
            file.setSignalHeader(
                place,
                {
                    "label": names[place], "dimension": unit,
                    "sample_frequency": rate, "physical_max": 100,
                    "physical_min": 0, "digital_max": 32767,
                    "digital_min": -32768, "prefilter": "",
                    "transducer": "",
                },
            )  # fmt: skip
        file.writeSamples([np.ascontiguousarray(v) for v in signals])


@pytest.mark.parametrize("name", ["x.edf", "x.bdf", "x.rec"])
def test_edf_is_read_with_each_channel_at_its_own_rate(tmp_path, name):
    path = tmp_path / name.replace(".rec", ".edf")
    slow = signal(rate=RATE / 2)
    write_edf(path, [signal()[:, 0], slow[:, 1]], [RATE, RATE // 2])
    path.rename(tmp_path / name)
    found, notes = read(tmp_path, name)
    np.testing.assert_allclose(found[:, 0], signal()[:, 0], atol=2e-3)
    np.testing.assert_allclose(found[5:-5, 1], signal()[5:-5, 1], atol=0.05)
    assert notes == {"resampled": 1}
    turned, _ = read(tmp_path, name, channels=["b", "a"])
    np.testing.assert_array_equal(turned, found[:, ::-1])
    files = SampleIO(str(tmp_path), "ecg")
    assert spec().learn({"x": [name]}, files).facts == {"units": ["mV"] * 2}
    found, notes = read(tmp_path, name, units=["V", "mV"])
    np.testing.assert_allclose(found[:, 0] * 1e3, signal()[:, 0], atol=2e-3)
    assert notes == {"resampled": 1, "unit_changed": 1}


def test_an_edf_whose_recorder_was_switched_off_is_read_to_its_end(tmp_path):
    path = tmp_path / "x.edf"
    write_edf(path, signal().T, [RATE, RATE])
    raw = bytearray(path.read_bytes())
    raw[236:244] = b"-1      "
    path.write_bytes(raw)
    found, notes = read(tmp_path, "x.edf")
    np.testing.assert_allclose(found, signal(), atol=2e-3)
    assert notes == {"length_unknown": 1}


def test_pyedflib_s_own_files_are_read_as_pyedflib_reads_them():
    import pyedflib

    folder = Path(pyedflib.__file__).parent / "tests" / "data"
    paths = sorted(folder.glob("*.[be]df"))
    if not paths:
        pytest.skip("this pyedflib ships no files")
    for path in paths:
        with pyedflib.EdfReader(str(path)) as file:
            names = [label.strip() for label in file.getSignalLabels()]
            rates = file.getSampleFrequencies()
            expected = [file.readSignal(i) for i in range(len(names))]
        for place in {0, len(names) // 2, len(names) - 1}:
            found, _ = read(
                path.parent, path.name, channels=[names[place]],
                duration_sec=5, sample_rate_hz=rates[place],
            )  # fmt: skip
            size = min(len(found), len(expected[place]))
            np.testing.assert_allclose(
                found[:size, 0], expected[place][:size], rtol=1e-6, atol=1e-6
            )


def test_arrow_s_own_files_are_read_as_pandas_reads_them():
    import pyarrow

    folder = Path(pyarrow.__file__).parent / "tests" / "data" / "parquet"
    path = folder / "v0.7.1.parquet"
    if not path.is_file():
        pytest.skip("this pyarrow ships no files")
    frame = pd.read_parquet(path)
    names = ["carat", "depth", "price"]
    found, _ = read(
        folder, path.name, channels=names, file_rate_hz=1, sample_rate_hz=1,
        duration_sec=len(frame),
    )  # fmt: skip
    np.testing.assert_array_equal(found, frame[names].astype("float32"))


def test_no_name_of_a_patient_reaches_the_library(tmp_path, monkeypatch):
    import pyedflib

    path = tmp_path / "x.edf"
    write_edf(path, signal().T, [RATE, RATE])
    assert b"Kowalska" in path.read_bytes()
    seen, whole = [], pyedflib.EdfReader

    def watched(name):
        seen.append(Path(name).read_bytes())
        return whole(name)

    monkeypatch.setattr(pyedflib, "EdfReader", watched)
    read(tmp_path, "x.edf")
    assert seen and b"Kowalska" not in seen[0]


# Parquet, .npz, .mat.


def test_parquet_is_what_pandas_reads(tmp_path):
    frame = pd.DataFrame(signal(), columns=["a", "b"])
    frame["stamp"] = pd.Timestamp("2024-02-29") + pd.to_timedelta(
        np.arange(100) / RATE, unit="s"
    )
    frame["ms"] = np.arange(100) * 20
    frame.loc[30, "a"] = None
    frame["b"] = frame["b"].astype("float32")
    frame["word"] = "x"
    frame.to_parquet(tmp_path / "x.bin")
    for changes in (
        {"time_column": "stamp"},
        {"time_column": "ms", "time_unit": "ms"},
        {"file_rate_hz": RATE},
    ):
        found, notes = read(tmp_path, "x.bin", **changes)
        expected = frame[["a", "b"]].to_numpy("float32")
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert notes == {"with_gaps": 1, "gap_steps": 1}
    with pytest.raises(BadSample, match="^not_a_number.*column 2"):
        read(tmp_path, "x.bin", channels=["a", "word"], file_rate_hz=RATE)


def test_texts_in_parquet_are_read_as_those_of_a_csv(tmp_path):
    frame = pd.DataFrame(signal(), columns=["a", "b"]).map("{:.4f}".format)
    frame["b"] = pd.Categorical(frame["b"])
    start = pd.Timestamp("2024-02-29")
    steps = pd.to_timedelta(np.arange(100) / RATE, unit="s")
    frame["t"] = [(start + step).isoformat() for step in steps]
    frame.to_parquet(tmp_path / "x.parquet")
    found, notes = read(tmp_path, "x.parquet", time_column="t")
    np.testing.assert_allclose(found, signal(), atol=1e-3)
    assert notes == {}
    frame["a"] = frame["a"].str.replace(".", ",")
    frame.to_parquet(tmp_path / "x.parquet")
    found, notes = read(tmp_path, "x.parquet", time_column="t")
    np.testing.assert_allclose(found, signal(), atol=1e-3)
    assert notes == {"decimal_comma": 1}


def saved_npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def saved_mat(form="5", **arrays) -> bytes:
    from scipy.io import savemat

    file = io.BytesIO()
    savemat(file, arrays, format=form, do_compression=form == "5")
    return file.getvalue()


A, B = signal().T
TIMES = np.arange(100) / RATE
ARRAYS = {
    "one a channel": ({"a": A, "b": B, "fs": np.float64(50)}, {}, {}),
    "all in one": ({"val": signal()}, {}, {}),
    "channels first": ({"val": signal().T}, {}, {"transposed": 1}),
    "named": (
        {"x": signal(), "y": signal() + 1}, {"array": "x"}, {}),
    "with times": (
        {"x": signal(), "t": TIMES * 1000},
        {"time_column": "t", "time_unit": "ms"}, {}),
    "integers": ({"x": (signal() * 100).astype("i2")}, {"scale": 100}, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", ARRAYS)
@pytest.mark.parametrize("form", ["npz", "5", "4"])
def test_arrays_of_npz_and_mat_are_read(tmp_path, case, form):
    arrays, changes, notes = ARRAYS[case]
    changes = {"file_rate_hz": RATE, **changes}
    scale = changes.pop("scale", 1)
    if form == "npz":
        name, raw = "x.dat", saved_npz(**arrays)
    else:
        name, raw = "x.mat", saved_mat(form, **arrays)
    (tmp_path / name).write_bytes(raw)
    found, said = read(tmp_path, name, **changes)
    np.testing.assert_allclose(found / scale, signal(), atol=0.01)
    assert said == notes


@pytest.mark.parametrize(
    "arrays, changes",
    [
        ({"x": signal(), "y": signal()}, {}),
        ({"x": signal()}, {"array": "z"}),
        ({"x": signal()}, {"time_column": "t"}),
        ({"a": A, "b": B[:50]}, {}),
        ({"x": signal(channels=3)}, {}),
        ({"x": np.zeros((4, 5, 6))}, {}),
        ({"x": signal(), "t": TIMES[:50]}, {"time_column": "t"}),
    ],
)
@pytest.mark.parametrize("form", ["npz", "mat"])
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, changes, form):
    make = {"npz": saved_npz, "mat": saved_mat}[form]
    (tmp_path / f"x.{form}").write_bytes(make(**arrays))
    with pytest.raises(BadSample, match="^bad_header"):
        read(tmp_path, f"x.{form}", file_rate_hz=RATE, **changes)


@pytest.mark.parametrize(
    "file, key, shape",
    [
        ("testdouble_7.4_GLNX86.mat", "testdouble", 9),
        ("testdouble_4.2c_SOL2.mat", "testdouble", 9),
        ("testdouble_6.1_SOL2.mat", "testdouble", 9),
        ("big_endian.mat", "floats", 6),
    ],
)
def test_scipy_s_own_files_are_read_as_scipy_reads_them(
    tmp_path, file, key, shape
):
    import scipy.io.matlab

    path = Path(scipy.io.matlab.__file__).parent / "tests" / "data" / file
    if not path.is_file():
        pytest.skip("scipy ships no files")
    shutil.copy(path, tmp_path / "x.mat")
    array = scipy.io.loadmat(path)[key]
    channels = [f"c{i}" for i in range(array.shape[1])]
    if array.shape[0] == 1:
        array, channels = array.T, ["c0"]
    found, _ = read(
        tmp_path, "x.mat", channels=channels, array=key, file_rate_hz=1,
        sample_rate_hz=1, duration_sec=len(array),
    )  # fmt: skip
    np.testing.assert_array_equal(found, array.astype("float32"))


@pytest.mark.parametrize("package, file", [("pyedflib", "x.edf")])
def test_a_missing_package_is_named_with_its_extra(
    tmp_path, monkeypatch, package, file
):
    write_edf(tmp_path / file, signal().T, [RATE, RATE])
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=r"install mmkeras\[medical\]") as e:
        read(tmp_path, file)
    assert not isinstance(e.value, BadSample)


def test_a_record_beside_one_in_another_unit_ends_prepare(tmp_path):
    from mmkeras.data import prepare
    from mmkeras.spec import DataSpec

    root = tmp_path / "raw"
    root.mkdir()
    lines = ["id,ecg,y,split"]
    for i in range(6):
        write_units(root, f"r{i}", signal(), ["uV" if i == 4 else "mV", "mV"])
        part = ("train", "train", "test")[i % 3]
        lines.append(f"s{i},r{i},{'no' if i % 2 else 'yes'},{part}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    table = {"kind": "series", "column": "ecg", "channels": ["a", "b"],
             "sample_rate_hz": 25, "duration_sec": 1.6}  # fmt: skip
    values = {
        "name": "units", "data": {"id_column": "id", "root": str(root)},
        "split": {"method": "column", "column": "split"},
        "modalities": {"ecg": table},
        "targets": {"y": {"kind": "category", "column": "y",
                          "classes": ["no", "yes"]}},
    }  # fmt: skip
    with pytest.raises(ValueError, match="`units` of `ecg` must be declared"):
        prepare(DataSpec.from_dict(values), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()
    table["units"] = ["mV", "mV"]
    made = prepare(DataSpec.from_dict(values), tmp_path / "out", workers=1)
    assert made["notes"] == {
        "ecg": {"cut": 6, "resampled": 6, "unit_changed": 1}
    }


def test_damage_is_refused_or_read_never_a_crash(tmp_path):
    write_edf(tmp_path / "x.edf", signal().T, [RATE, RATE])
    pd.DataFrame(signal(), columns=["a", "b"]).to_parquet(tmp_path / "x.pq")
    (tmp_path / "x.npz").write_bytes(saved_npz(a=A, b=B))
    (tmp_path / "x.mat").write_bytes(saved_mat(x=signal()))
    random, found = np.random.default_rng(0), set()
    for name in ("x.edf", "x.pq", "x.npz", "x.mat"):
        raw = (tmp_path / name).read_bytes()
        for _ in range(15):
            bad = bytearray(raw)
            for place in random.integers(0, min(len(bad), 800), 5):
                bad[place] = random.integers(0, 256)
            (tmp_path / name).write_bytes(bad)
            try:
                found.add(read(tmp_path, name, file_rate_hz=RATE)[0].shape)
            except BadSample as error:
                found.add(str(error.reason))
    assert {(100, 2), "corrupt"} <= found

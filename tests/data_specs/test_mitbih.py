"""The builder of mitbih: beats, rhythm and windows of a record."""

import mitbih
import numpy as np
import pytest

PEAKS = np.array([0.55, 1.55, 2.05, 3.55, 10.25, 11.25, 21.05])
CLASSES = ["N", "N", "S", "V", "N", "F", "N"]
SHARED = {"record": "100", "split": "test", "ecg": "records/100.npy"}


def test_the_splits_are_those_of_de_chazal_and_no_record_is_twice():
    names = [*mitbih.TRAIN, *mitbih.VALIDATION, *mitbih.TEST]
    assert len(names) == len({*names}) == 44
    assert len(mitbih.TEST) == 22
    # Of the paced records none is used.
    assert not {"102", "104", "107", "217"} & {*names}


def test_a_window_has_a_class_at_each_beat_and_nothing_between():
    first, second, third = mitbih.windows_of(PEAKS, CLASSES, SHARED)
    steps = first["beats"].split("|")
    assert len(steps) == 100
    assert {i: n for i, n in enumerate(steps) if n} == {
        5: "N", 15: "N", 20: "S", 35: "V",
    }  # fmt: skip
    assert [w["start_sec"] for w in (first, second, third)] == [0, 10, 20]
    assert second["id"] == "100-001"


def test_an_early_beat_is_early_against_the_patient_and_the_moment():
    found = mitbih.rhythm_of(PEAKS, 215)
    there = np.flatnonzero(np.isfinite(found).all(axis=1))
    assert there.tolist() == [5, 15, 20, 35, 102, 112, 210]
    mean = np.diff(PEAKS).mean()
    early = found[20]
    assert early[0] == pytest.approx(np.log(0.5 / mean), rel=1e-5)
    assert early[1] == pytest.approx(np.log(1.5 / mean), rel=1e-5)
    local = (mean + 1.0) / 2
    assert early[2] == pytest.approx(np.log(0.5 / local), rel=1e-5)


def test_all_beats_but_the_normal_ones_are_kept():
    rows = mitbih.beats_of(PEAKS, CLASSES, SHARED)
    assert [row["class"] for row in rows] == ["V", "N", "F"]
    assert rows[0]["beat_sec"] == pytest.approx(3.25)
    assert rows[0]["before_sec"] == pytest.approx(1.25)


def test_stretches_end_before_their_record_does():
    rows = mitbih.stretches_of(30.0, SHARED)
    assert [row["start_sec"] for row in rows] == [0, 8, 16, 24]


def test_a_record_has_its_leads_in_one_order_and_its_patient(shared):
    pytest.importorskip("wfdb")
    signals, peaks, classes, about = mitbih.read_record(
        shared / "mitbih", "114"
    )
    assert signals.shape == (216667, 2)
    assert len(peaks) == len(classes) == 1820 + 43 + 2 + 4 + 10
    assert about == {"age": "72", "sex": "female", "medication": "Digoxin"}
    # MLII is the second signal of its file.
    import wfdb

    raw = wfdb.rdrecord(str(shared / "mitbih" / "114")).p_signal
    at = np.arange(0, 3000)
    np.testing.assert_allclose(signals[at, 0], raw[3 * at, 1], atol=0.15)


def test_a_folder_without_records_is_told(tmp_path):
    pytest.importorskip("wfdb")
    with pytest.raises(ValueError, match="no 101.hea"):
        mitbih.read_record(tmp_path, "101")

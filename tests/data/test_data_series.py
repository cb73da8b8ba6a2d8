"""Sensor data from every format, at any rate, with its gaps."""

import sys

import numpy as np
import pytest
from data.data_toys import read_cell
from data.signal_toys import RATE, signal, write_csv, write_wfdb

from mmkeras.data import BadSample, SampleIO, decode_file, resample
from mmkeras.data.files import on_grid
from mmkeras.kinds import Series

pytest.importorskip("wfdb")


def spec(**changes) -> Series:
    values = {
        "kind": "series", "column": "x", "channels": ["a", "b"],
        "sample_rate_hz": RATE, "duration_sec": 2, "file_rate_hz": RATE,
    }  # fmt: skip
    return Series(**{**values, **changes})


def write_all(folder, values) -> None:
    np.save(folder / "x.npy", values)
    np.save(folder / "columns.npy", np.asfortranarray(values))
    np.save(folder / "big.npy", values.astype(">f4"))
    np.save(folder / "half.npy", values.astype("f2"))
    write_csv(folder / "x.csv", values)
    write_wfdb(folder, "record", values)


FORMATS = {
    "x.npy": 0, "columns.npy": 0, "big.npy": 0, "half.npy": 0.05, "x.csv": 0,
    "record": 1e-3, "record.hea": 1e-3,
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_steps(tmp_path, name):
    values = signal()
    values[30:40, 1] = np.nan
    write_all(tmp_path, values)
    found = read_cell(spec(), tmp_path, name)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, values, atol=FORMATS[name] + 1e-5)
    np.testing.assert_array_equal(decode_file(spec(), tmp_path / name), found)


@pytest.mark.parametrize("name", ["x.csv", "record"])
def test_channels_are_chosen_by_name_in_the_order_of_the_spec(tmp_path, name):
    write_all(tmp_path, signal())
    both = read_cell(spec(), tmp_path, name)
    turned = read_cell(spec(channels=["b", "a"]), tmp_path, name)
    np.testing.assert_array_equal(turned, both[:, ::-1])
    alone = read_cell(spec(channels=["b"]), tmp_path, name)
    np.testing.assert_array_equal(alone, both[:, 1:])


def test_a_cell_without_a_path_is_no_series(tmp_path):
    with pytest.raises(BadSample, match="missing"):
        read_cell(spec(), tmp_path, " ")


def test_integers_and_one_dimension_are_read(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(100, dtype="i2"))
    found = read_cell(spec(channels=["a"]), tmp_path, "x.npy")
    assert found[:, 0].tolist() == list(range(100))


@pytest.mark.parametrize(
    "rate, wanted",
    [(500, 250), (250, 500), (360, 250), (1000, 100), (62.5, 50), (0.1, 0.03)],
)
def test_a_sine_is_the_same_sine_at_another_rate(rate, wanted):
    steps = 2000
    t, wave = np.arange(steps) / rate, wanted / 10
    values = 80 + np.sin(2 * np.pi * wave * t)[:, None]
    found = resample(values, rate, wanted)[:, 0]
    assert len(found) == round(steps * wanted / rate)
    t = np.arange(len(found)) / wanted
    error = np.abs(found - 80 - np.sin(2 * np.pi * wave * t))
    edge = len(found) // 10
    assert error[edge:-edge].max() < 2e-3 and error.max() < 0.4


def test_what_the_new_rate_cannot_hold_is_filtered_out():
    t = np.arange(5000) / 500
    values = np.sin(2 * np.pi * 90 * t)[:, None]
    # At 100 Hz, 90 Hz would look like 10 Hz.
    assert np.abs(resample(values, 500, 100)[50:-50]).max() < 1e-3


def test_a_level_far_from_zero_does_not_ring_at_the_ends():
    found = resample(np.full((400, 1), 80.0), 50, 20)
    np.testing.assert_allclose(found, 80, atol=1e-9)


@pytest.mark.parametrize("rate, wanted", [(100, 50), (100, 40), (50, 200)])
@pytest.mark.parametrize("length", [10, 60])
def test_gaps_stay_where_they_are_and_do_not_spread(rate, wanted, length):
    values = 80 + np.random.default_rng(0).normal(size=(400, 2))
    values[100 : 100 + length, 0] = np.nan
    found = resample(values, rate, wanted)
    gaps = np.isnan(found)
    assert not gaps[:, 1].any()
    missing = np.flatnonzero(gaps[:, 0]) / wanted
    assert abs(missing[0] - 100 / rate) < 1 / min(rate, wanted)
    assert abs(missing[-1] - (100 + length) / rate) < 1.5 / min(rate, wanted)
    assert len(missing) == pytest.approx(length / rate * wanted, abs=2)


def test_a_single_step_missing_of_many_is_bridged():
    values = np.arange(1000.0)[:, None]
    values[505] = np.nan
    found = resample(values, 1000, 100)
    np.testing.assert_allclose(found[:, 0], np.arange(0, 1000, 10), atol=1)


def test_times_show_the_rate_and_the_gaps():
    times = np.array([0, 10, 20, 30, 70, 80, 90]) / 1000 + 5
    values = np.arange(7.0)[:, None]
    found, rate, notes = on_grid(times, values, "x")
    assert rate == pytest.approx(100) and notes == {}
    np.testing.assert_array_equal(
        found[:, 0], [0, 1, 2, 3, np.nan, np.nan, np.nan, 4, 5, 6]
    )


def test_rounded_and_shaky_times_lose_no_row():
    # 300 Hz in whole milliseconds: 0, 3, 7, 10, ...
    times = np.round(np.arange(3000) / 300, 3)
    found, rate, _ = on_grid(times, np.arange(3000.0)[:, None], "x")
    assert rate == pytest.approx(300, rel=1e-3)
    np.testing.assert_allclose(found[:, 0], np.arange(3000), atol=1)
    shaky = times + np.random.default_rng(0).uniform(-1e-3, 1e-3, 3000)
    assert np.isfinite(on_grid(shaky, found, "x")[0]).mean() > 0.99


def test_a_time_column_is_laid_on_the_grid_and_resampled(tmp_path):
    values, times = signal(), np.arange(100) / RATE
    keep = np.delete(np.arange(100), range(40, 60))
    write_csv(tmp_path / "x.csv", values[keep], times=times[keep])
    modality = spec(time_column="t", sample_rate_hz=25, file_rate_hz=None)
    found = read_cell(modality, tmp_path, "x.csv")
    assert (np.flatnonzero(np.isnan(found).any(1)) == range(20, 30)).all()
    np.testing.assert_allclose(found[3:18], values[6:36:2], atol=0.02)


@pytest.mark.parametrize(
    "crop, seconds, first, known",
    [("start", 4, 0, 100), ("center", 4, 50, 100), ("center", 1, 0, 50)],
)
def test_it_is_cut_or_ends_in_a_gap(tmp_path, crop, seconds, first, known):
    values = np.arange(seconds * RATE, dtype=float)[:, None]
    np.save(tmp_path / "x.npy", values)
    modality = spec(channels=["a"], crop=crop)
    found = read_cell(modality, tmp_path, "x.npy")[:, 0]
    assert found[:known].tolist() == list(range(first, first + known))
    assert np.isnan(found[known:]).all() and len(found) == 100


def test_a_long_series_is_not_resampled_past_what_is_wanted(tmp_path):
    values = 80 + np.random.default_rng(0).normal(size=(20_000, 1))
    np.save(tmp_path / "x.npy", values)
    modality = spec(channels=["a"], sample_rate_hz=20)
    found = read_cell(modality, tmp_path, "x.npy")
    whole = resample(values, RATE, 20)[:40]
    np.testing.assert_allclose(found, whole, atol=1e-3)


def test_without_the_rate_of_the_files_the_key_is_named(tmp_path):
    np.save(tmp_path / "x.npy", signal())
    with pytest.raises(BadSample, match="bad_header.*`file_rate_hz`"):
        read_cell(spec(file_rate_hz=None), tmp_path, "x.npy")


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    write_all(tmp_path, signal())
    monkeypatch.setitem(sys.modules, "wfdb", None)
    with pytest.raises(
        ValueError, match=r"pip install mmkeras\[medical\]"
    ) as e:
        read_cell(spec(), tmp_path, "record")
    assert not isinstance(e.value, BadSample)


def test_a_spec_too_large_is_refused():
    with pytest.raises(ValueError, match="100,000,000 values"):
        spec(sample_rate_hz=1_000_000, duration_sec=10_000)
    with pytest.raises(ValueError, match="`channels` must all differ"):
        spec(channels=["a", "a"])


STARTS = ["", "0", "0.5", "1.25", " 1.3 "]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("rate", [RATE, RATE / 2, RATE * 1.7])
def test_a_sample_that_begins_later_is_a_part_of_the_whole(
    tmp_path, start, rate
):
    np.save(tmp_path / "x.npy", signal(9))
    whole = spec(duration_sec=8, sample_rate_hz=rate)
    whole = read_cell(whole, tmp_path, "x.npy")
    part = spec(duration_sec=2, sample_rate_hz=rate, start_column="from")
    io = SampleIO(str(tmp_path))
    found = part.read({"x": "x.npy", "from": start}, io).value
    first = round(float(start.strip() or 0) * rate)
    wanted = whole[first : first + len(found)]
    # At the very start of a file the filter sees another line to its end.
    edge = 8 if rate != RATE else 0
    np.testing.assert_allclose(found[edge:], wanted[edge:], atol=0.01)


@pytest.mark.parametrize(
    "start, reason",
    [("soon", "not_a_number"), ("-1", "not_a_number"), ("nan", "not_a_number"),
     ("inf", "not_a_number"), ("4", "empty"), ("1e12", "empty")],
)  # fmt: skip
def test_a_start_that_cannot_be_is_refused(tmp_path, start, reason):
    np.save(tmp_path / "x.npy", signal())
    part = spec(start_column="from")
    with pytest.raises(BadSample, match=reason):
        part.read({"x": "x.npy", "from": start}, SampleIO(str(tmp_path)))


def test_a_start_stands_beside_a_crop_at_the_start_alone():
    with pytest.raises(ValueError, match="`crop` must be"):
        spec(start_column="from", crop="center")

"""Tables of sensor data as people have them: separators, times, units."""

import numpy as np
import pandas as pd
import pytest
from data.signal_toys import RATE, signal

from mmkeras.data import BadSample, SampleIO
from mmkeras.kinds import Series


def spec(**changes) -> Series:
    values = {
        "kind": "series", "column": "x", "channels": ["a", "b"],
        "sample_rate_hz": RATE, "duration_sec": 2, "time_column": "t",
    }  # fmt: skip
    return Series(**{**values, **changes})


def read(tmp_path, raw, name="x.csv", **changes):
    """Returns the steps and the notes of a file."""
    raw = raw.encode() if isinstance(raw, str) else raw
    (tmp_path / name).write_bytes(raw)
    found = spec(**changes).read({"x": name}, SampleIO(str(tmp_path)))
    return found.value, found.notes


def table(values=None, times=None, head="t,a,b", sep=",", row="{:.6f}") -> str:
    values = signal() if values is None else values
    times = np.arange(len(values)) / RATE if times is None else times
    lines = [head]
    for time, cells in zip(times, values, strict=True):
        time = time if isinstance(time, str) else f"{time:.6f}"
        lines.append(sep.join([time, *(row.format(v) for v in cells)]))
    return "\n".join(lines) + "\n"


def check(found, expected=None, atol=1e-4):
    np.testing.assert_allclose(
        found, signal() if expected is None else expected, atol=atol
    )


# D4: a gap is measured against the wanted step.


def wave(times):
    return np.sin(2 * np.pi * 0.2 * np.asarray(times))[:, None]


@pytest.mark.parametrize(
    "parts",
    [
        [(0, 10, 10), (10, 20, 5)],
        [(0, 10, 5), (10, 20, 10)],
        # Most rows slow: the fewer fast ones set the grid.
        [(0, 4, 10), (4, 20, 5)],
        [(0, 16, 5), (16, 20, 20)],
        [(0, 5, 5), (5, 10, 10), (10, 15, 20), (15, 20, 5)],
    ],
)
def test_a_file_of_two_rates_has_no_gap_where_no_more_is_wanted(
    tmp_path, parts
):
    times = np.concatenate([np.arange(a, b, 1 / hz) for a, b, hz in parts])
    found, notes = read(
        tmp_path, table(wave(times), times, "t,a"), channels=["a"],
        sample_rate_hz=5, duration_sec=20,
    )  # fmt: skip
    assert np.isfinite(found).all() and "gap_steps" not in notes
    expected = wave(np.arange(100) / 5)
    assert np.abs(found - expected)[5:-5].max() < 0.02
    assert notes["steps_filled_in"] > 0


def test_what_is_wanted_more_finely_is_a_gap(tmp_path):
    times = np.concatenate([np.arange(0, 10, 0.1), np.arange(10, 20, 0.5)])
    found, notes = read(
        tmp_path, table(wave(times), times, "t,a"), channels=["a"],
        sample_rate_hz=10, duration_sec=20,
    )  # fmt: skip
    gaps = np.isnan(found[:, 0])
    assert not gaps[:100].any() and gaps[100:].mean() == pytest.approx(
        0.8, abs=0.05
    )
    assert notes["with_gaps"] == 1 and notes["gap_steps"] == gaps[:196].sum()


def test_the_lost_share_is_counted_and_told(tmp_path):
    times = np.delete(np.arange(100), range(40, 60)) / RATE
    found, notes = read(tmp_path, table(signal()[:80], times), duration_sec=4)
    assert np.isnan(found[:100]).any(axis=1).sum() == 20
    assert notes == {
        "ends_early": 1, "missing_steps_at_the_end": 100, "with_gaps": 1,
        "gap_steps": 20,
    }  # fmt: skip
    assert spec(duration_sec=4).tell(notes, 1) == [
        "ends early: 1 (100.0% of 1 samples)",
        "missing steps at the end: 100 (50.0% of 200 steps)",
        "with gaps: 1 (100.0% of 1 samples)",
        "gap steps: 20 (10.0% of 200 steps)",
    ]


# D5: stamps repeated, unsorted, of any form and unit.


def test_rows_in_any_order_are_sorted(tmp_path):
    order = np.random.default_rng(0).permutation(100)
    raw = table(signal()[order], order / RATE)
    found, notes = read(tmp_path, raw)
    check(found)
    assert notes == {"unsorted": 1}


def test_repeated_stamps_are_averaged_and_counted(tmp_path):
    values = np.concatenate([signal(), signal()[[7, 7, 30]] + [[3, 0]] * 3])
    values[-1, 1] = np.nan
    times = np.concatenate([np.arange(100), [7, 7, 30]]) / RATE
    raw = table(values, times).replace("nan", "")
    found, notes = read(tmp_path, raw)
    expected = signal()
    expected[7, 0] += 2  # of three, two are 3 higher
    expected[30, 0] += 1.5
    check(found, expected)
    assert notes == {"unsorted": 1, "stamps_averaged": 3}


def test_times_written_too_coarsely_for_what_is_wanted_are_refused(tmp_path):
    # 50 rows a second, whose times are whole seconds.
    values = np.repeat(np.arange(4.0), RATE)[:, None] + [0, 10]
    times = np.arange(4 * RATE) // RATE
    raw = table(values, [str(time) for time in times])
    with pytest.raises(
        BadSample, match="^bad_header: .*196 of 200 rows share.*for 50 Hz"
    ):
        read(tmp_path, raw)
    found, notes = read(tmp_path, raw, sample_rate_hz=1, duration_sec=4)
    check(found, values[::RATE])
    assert notes == {"stamps_averaged": 196}


@pytest.mark.parametrize(
    "form, time_format",
    [
        ("%Y-%m-%dT%H:%M:%S.%f", None),
        ("%Y-%m-%d %H:%M:%S.%f", None),
        ("%Y-%m-%dT%H:%M:%S.%fZ", None),
        ("%Y-%m-%dT%H:%M:%S.%f+02:00", None),
        ("%d.%m.%Y %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S.%f"),
        ("%H:%M:%S.%f", "%H:%M:%S.%f"),
    ],
)
def test_dates_are_read(tmp_path, form, time_format):
    start = pd.Timestamp("2024-02-29 23:00:00")
    times = [
        (start + pd.Timedelta(seconds=i / RATE)).strftime(form)
        for i in range(100)
    ]
    raw = table(times=times)
    check(read(tmp_path, raw, time_format=time_format)[0])


@pytest.mark.parametrize(
    "times, unit",
    [
        (np.arange(100) * 20, "ms"),
        (1_709_247_600_000 + np.arange(100) * 20, "ms"),
        (1_709_247_600_000_000_000 + np.arange(100) * 20_000_000, "ns"),
        (np.arange(100) * 20_000, "us"),
        (np.arange(100) / RATE / 60, "min"),
    ],
)
def test_a_unit_of_times_is_declared(tmp_path, times, unit):
    text = [f"{time:.9f}" if unit == "min" else str(time) for time in times]
    raw = table(times=text)
    check(read(tmp_path, raw, time_unit=unit)[0], atol=1e-3)
    # Or stands under the names, or is wrong by far and so refused.
    units = raw.replace("\n", f"\n{unit},mV,mV\n", 1)
    found, notes = read(tmp_path, units)
    check(found, atol=1e-3)
    assert notes["unit_rows"] == 1
    if unit in ("ms", "ns"):
        with pytest.raises(BadSample, match="bad_header|too_large|empty"):
            read(tmp_path, raw)


def test_unreadable_times_are_refused_without_quoting_them(tmp_path):
    raw = table(times=["29.02.2024 DOE"] * 100)
    with pytest.raises(BadSample, match="not_a_number.*`time_format`") as e:
        read(tmp_path, raw)
    assert "DOE" not in str(e.value)


def test_rows_without_a_time_are_left_out_and_counted(tmp_path):
    lines = table().splitlines()
    lines.insert(50, ",999,999")
    found, notes = read(tmp_path, "\n".join(lines))
    check(found)
    assert notes == {"rows_without_time": 1}


GERMAN = table(sep=";", head="t;a;b").replace(".", ",")


@pytest.mark.parametrize(
    "raw, notes",
    [
        (table(sep=";", head="t;a;b"), {}),
        (table(sep="\t", head="t\ta\tb"), {}),
        (table(sep="|", head="t|a|b"), {}),
        (GERMAN, {"decimal_comma": 1}),
        (GERMAN.replace("\n", "\r\n"), {"decimal_comma": 1}),
        (table(sep=" ; ", head=" t ; a ; b "), {}),
        (table(sep="   ", head="t  a  b"), {}),
        (
            table(sep=" ", head=" t a b ").replace(".", ","),
            {"decimal_comma": 1},
        ),
        (table(head="'t','a','b'"), {}),
        (table(head='"t","a","b"'), {}),
        ("\ufeff" + table(), {}),
        (table().encode("utf-16"), {}),
        (table(head="t,a,b,\u00b5").encode("cp1252"), None),
        ("Device 7, v2\nno. 12\n\n" + table(), {"lines_before_names": 3}),
    ],
)
def test_separators_decimals_and_encodings_are_found(tmp_path, raw, notes):
    if notes is None:
        raw = table(head="t;a;b;\u00b0C", sep=";").replace("\n", ";1\n")
        raw = raw.replace("C;1", "C").encode("cp1252")
        notes = {"latin_1": 1}
    found, said = read(tmp_path, raw)
    check(found)
    assert said == notes


def test_columns_may_stand_in_any_order_among_others(tmp_path):
    frame = pd.DataFrame(signal(), columns=["a", "b"])
    frame["note"], frame["t"] = "x, y", np.arange(100) / RATE
    raw = frame[["b", "note", "t", "a"]].to_csv(index=False)
    check(read(tmp_path, raw)[0])
    check(read(tmp_path, raw.encode(), "x.txt")[0])


def test_what_could_be_thousands_is_refused(tmp_path):
    raw = table(head="t;a;b", sep=";", row="1.{:.3f}").replace(".", ",", 300)
    with pytest.raises(BadSample, match="^not_a_number"):
        read(tmp_path, raw, time_column="t")
    with pytest.raises(BadSample, match="^not_a_number"):
        read(tmp_path, GERMAN, decimal=".")
    with pytest.raises(BadSample, match="^not_a_number"):
        read(tmp_path, table(head="t;a;b", sep=";"), decimal=",")
    with pytest.raises(BadSample, match="^bad_header: .*no column 'a'"):
        read(tmp_path, GERMAN, separator=",")


def test_a_row_of_units_under_the_names_is_read(tmp_path):
    raw = table().replace("\n", "\ns,[mV],(mV)\n", 1)
    found, notes = read(tmp_path, raw)
    check(found)
    assert notes == {"unit_rows": 1}
    found, notes = read(tmp_path, raw, units=["V", "uV"])
    check(found / [1e-3, 1e3])
    assert notes == {"unit_rows": 1, "unit_changed": 1}
    with pytest.raises(BadSample, match="^bad_unit: .*'a' in mV, not mmHg"):
        read(tmp_path, raw, units=["mmHg", "mV"])


def test_empty_cells_are_gaps_however_they_are_written(tmp_path):
    lines = table().splitlines()
    for at, cell in zip(range(10, 17), ["", "NA", "NaN", "null", "?", "-",
                                        "None"], strict=True):  # fmt: skip
        time, _, b = lines[at].split(",")
        lines[at] = f"{time},{cell},{b}"
    found, notes = read(tmp_path, "\n".join(lines))
    assert np.flatnonzero(np.isnan(found[:, 0])).tolist() == list(range(9, 16))
    assert notes == {"with_gaps": 1, "gap_steps": 7}


def test_without_a_time_column_the_rate_of_the_files_holds(tmp_path):
    raw = table(head="t;a;b", sep=";").replace(".", ",")
    found, _ = read(tmp_path, raw, time_column=None, file_rate_hz=RATE)
    check(found)


def test_keys_of_times_need_a_column_of_times():
    with pytest.raises(ValueError, match="`time_unit` and `time_format` must"):
        spec(time_column=None, time_unit="ms")
    with pytest.raises(ValueError, match="`units` must name a unit for each"):
        spec(units=["mV"])


def test_it_is_what_pandas_reads(tmp_path):
    random = np.random.default_rng(3)
    frame = pd.DataFrame(random.normal(size=(200, 2)), columns=["a", "b"])
    for options in ({}, {"sep": ";", "decimal": ","}, {"sep": "\t"}):
        raw = frame.to_csv(index=False, float_format="%.17g", **options)
        found, _ = read(
            tmp_path, raw, time_column=None, file_rate_hz=100,
            sample_rate_hz=100,
        )  # fmt: skip
        np.testing.assert_array_equal(found, frame.astype("float32"))

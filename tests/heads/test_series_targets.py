"""Forecasts and anomalies as targets: their labels, keys and answers."""

import numpy as np
import pytest
from target_toys import problem, target_of

from mmkeras.data import BadSample, SampleIO
from mmkeras.kinds import Series
from mmkeras.spec import TARGETS, DataSpec, SeenColumn


def spec_of(**target) -> DataSpec:
    return DataSpec.from_dict(
        {
            "name": "waves",
            "modalities": {
                "wave": {
                    "kind": "series", "column": "file", "channels": ["a", "b"],
                    "sample_rate_hz": 10, "file_rate_hz": 10,
                    "duration_sec": 2, "start_column": "from",
                },
                "who": {"kind": "vector", "columns": ["age"]},
            },
            "targets": {"y": target},
        }
    )  # fmt: skip


FORECAST = {"kind": "forecast", "modality": "wave", "channels": ["b"],
            "steps": 5}  # fmt: skip


def read(target, cells, folder):
    return target.read(cells, SampleIO(str(folder), learned={}), {})


def test_the_steps_that_follow_are_those_of_the_recording(tmp_path):
    whole = np.arange(80, dtype="f4").reshape(40, 2)
    whole[23, 1] = np.nan
    np.save(tmp_path / "x.npy", whole)
    target = spec_of(**FORECAST).targets["y"]
    cells = {"file": "x.npy", "from": "0.2"}
    found = read(target, cells, tmp_path)
    wanted = whole[22:27, 1:]
    assert found.weight[:, 0].tolist() == [1, 0, 1, 1, 1]
    np.testing.assert_allclose(found.value, np.nan_to_num(wanted))
    late = read(target, {**cells, "from": "1.8"}, tmp_path)
    assert late.weight[:, 0].tolist() == [1, 1, 0, 0, 0]
    assert late.notes == {"missing_steps": 3}
    none = read(target, {**cells, "from": "2.5"}, tmp_path)
    assert not none.weight.any()


CELLS = {
    "[1, null, 2.5]": [1, None, 2.5, None, None],
    "[[1], [2]]": [1, 2, None, None, None],
    "1|2|3|4|5": [1, 2, 3, 4, 5],
    "1; 2": [1, 2, None, None, None],
}


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_may_hold_the_steps(tmp_path, cell):
    target = spec_of(**FORECAST, column="next").targets["y"]
    found = read(target, {"next": cell}, tmp_path)
    shown = [v if w else None for v, w in zip(found.value, found.weight)]
    assert shown == CELLS[cell]
    again = target.label_cell(found.value, found.weight)
    np.testing.assert_array_equal(
        read(target, {"next": again}, tmp_path).weight, found.weight
    )


@pytest.mark.parametrize("name", ["next.npy", "next.csv"])
def test_a_cell_may_name_a_file_of_the_steps(tmp_path, name):
    np.save(tmp_path / "next.npy", np.arange(3.0))
    (tmp_path / "next.csv").write_text("a,b\n9,0\n9,1\n9,2\n")
    target = spec_of(**FORECAST, column="next").targets["y"]
    cells = {"next": name}
    found = read(target, cells, tmp_path)
    assert found.value[:3, 0].tolist() == [0, 1, 2]
    assert target.source_files(cells) == (name,)


WRONG_CELLS = {
    "[1, 2": "not_a_number",
    "soon": "not_a_number",
    "[true]": "not_a_number",
    '["1"]': "not_a_number",
    "[]": "wrong_size",
    "[[1, 2], [3, 4]]": "wrong_size",
    "[1, 2, 3, 4, 5, 6]": "wrong_size",
    "[1e999]": "not_finite",
    "missing.npy": "not_found",
    "../x.npy": "path_outside",
}


@pytest.mark.parametrize("cell", WRONG_CELLS)
def test_a_cell_that_cannot_be_the_steps_is_refused(tmp_path, cell):
    target = spec_of(**FORECAST, column="next").targets["y"]
    with pytest.raises(BadSample, match=WRONG_CELLS[cell]):
        read(target, {"next": cell}, tmp_path)


WRONG_KEYS = {
    "`targets.y.modality`": {"modality": "who"},
    "`targets.y.channels`": {"channels": ["c"]},
    "`channels` must all differ": {"channels": ["a", "a"]},
    "symmetric": {"quantiles": [0.1, 0.5, 0.8]},
    "must rise": {"quantiles": [0.9, 0.5, 0.1]},
}


@pytest.mark.parametrize("said", WRONG_KEYS)
def test_keys_of_a_forecast_that_do_not_fit_are_named(said):
    with pytest.raises(ValueError, match=said):
        spec_of(**{**FORECAST, **WRONG_KEYS[said]})


def test_baselines_follow_from_what_was_seen():
    target = spec_of(**FORECAST, season_steps=4).targets["y"]
    wave = np.arange(40.0).reshape(1, 20, 2)
    wave[0, -1, 1] = np.nan
    found = target.naive({"wave": wave})
    assert (found["last value"] == wave[0, -2, 1]).all()
    steps = found["a season before"][0, :, 0, 0]
    assert steps.tolist() == [33, 35, 37, 37, 33]


def test_without_its_series_a_forecast_is_left_to_the_mean():
    spec = spec_of(**FORECAST)
    assert spec.only("who").targets["y"].modality is None
    assert spec.only("wave").targets["y"].modality == "wave"


def test_a_forecast_is_known_by_its_lists():
    column = SeenColumn("next", ["[1.5, 2, null]", "[0.1, 2, 3]"] * 9)
    guesses = {k: c.recognise(column) for k, c in TARGETS.known.items()}
    found = max(guesses, key=lambda k: getattr(guesses[k], "score", 0))
    assert found == "forecast"
    assert guesses[found].keys == {"steps": 3}
    assert {*guesses[found].asks} == {"modality", "channels"}


NAMES = {"fine": 0, "torn": 1, "bent": 2, "": -1}


@pytest.mark.parametrize("cell", NAMES)
def test_what_a_column_says_is_normal_abnormal_or_not_known(tmp_path, cell):
    target = target_of("anomaly", abnormal=["torn", "bent"])
    found = read(target, {"y": cell}, tmp_path)
    assert (found.value, found.weight) == (NAMES[cell], 1)


def test_a_name_that_is_neither_counts_nowhere(tmp_path):
    target = target_of("anomaly", abnormal=["torn"])
    assert read(target, {"y": "wet"}, tmp_path).weight == 0
    open_end = target_of("anomaly")
    assert read(open_end, {"y": "wet"}, tmp_path).value == 1


def test_without_a_column_all_are_learned_from(tmp_path):
    target = TARGETS.read({"kind": "anomaly"})
    assert target.manifest_columns == ()
    found = read(target, {}, tmp_path)
    assert (found.value, found.weight) == (-1, 1)


WRONG = {
    "`normal` must": {"column": "y"},
    "`abnormal` must": {"column": "y", "normal": ["a"], "abnormal": ["a"]},
    "`targets.y.given`": {"given": ["picture"]},
}


@pytest.mark.parametrize("said", WRONG)
def test_keys_of_an_anomaly_that_do_not_fit_are_named(said):
    with pytest.raises(ValueError, match=said):
        spec_of(kind="anomaly", **WRONG[said])


def test_agreement_of_scores_is_that_of_their_order():
    target = target_of("anomaly")
    _, scores, weights = problem("anomaly")
    assert target.agreement(scores, scores**3, weights) == 1
    assert target.agreement(scores, -scores, weights) == 0


def test_a_forecast_is_drawn_with_its_band():
    target = spec_of(**FORECAST).targets["y"]
    labels, outputs, _ = problem("forecast")
    (found,) = target.show(
        labels[0, :5, :1], outputs[0, :5, :1], {"wave": np.ones((20, 2))}
    )
    assert found["name"] == "b"
    for part in ("band", "seen", "truth", "median"):
        assert f'class="{part}"' in found["drawing"]


def test_a_series_names_its_column_of_starts():
    series = spec_of(**FORECAST).modalities["wave"]
    assert isinstance(series, Series)
    assert series.manifest_columns == ("file", "from")

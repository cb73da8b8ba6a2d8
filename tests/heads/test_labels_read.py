"""Labels of ordinals, sequences and embeddings, from cell to batch."""

import numpy as np
import pandas as pd
import pytest
from heads_toys import SPEC, toy_spec, write_table

from mmkeras import build_from_recipe, load_data
from mmkeras.data import facts_of, prepare, read_targets
from mmkeras.spec import DataSpec

CELLS = {
    "side": ["left", "", "right"],
    "tags": ["a|b", "", "b"],
    "grade": ["high", "", "low"],
    "move": ["rest|walk|walk|run", "", "rest|| |run"],
    "size": ["1.5", "", "3"],
    "who": ["Ann", "", "Bob"],
}


def read(**changes):
    table = pd.DataFrame({**CELLS, **changes})
    return read_targets(DataSpec.from_dict(SPEC), table)


def test_every_kind_is_read_with_what_is_missing():
    values, weights, bad = read()
    assert bad == []
    assert values["grade"].tolist() == [2, 0, 0]
    assert values["move"].tolist() == [[0, 1, 1, 2], [0] * 4, [0, 0, 0, 2]]
    assert weights["move"].tolist() == [[1] * 4, [0] * 4, [1, 0, 0, 1]]
    assert values["who"].tolist() == [0, -1, 1]
    for name in set(CELLS) - {"move"}:
        assert weights[name].tolist() == [1, 0, 1]


def test_one_identity_has_one_number_whatever_stands_around_it():
    values, _, _ = read(who=["Ann", " Ann ", "Bob"])
    assert values["who"].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "target, cell, reason, detail",
    [
        ("grade", "top", "unknown_class", "'top'"),
        ("move", "rest|walk", "wrong_size", "2 steps instead of 4"),
        ("move", "rest|walk|fly|run", "unknown_class", "'fly'"),
    ],
)
def test_a_wrong_cell_is_named_and_weighs_nothing(target, cell, reason, detail):
    cells = [cell, *CELLS[target][1:]]
    _, weights, bad = read(**{target: cells})
    assert bad == [(0, target, reason, detail)]
    assert not weights[target][0].any()


def test_statistics_count_classes_steps_and_identities():
    spec = DataSpec.from_dict(SPEC)
    values, weights, _ = read()
    found = facts_of(spec.targets, values, weights)
    assert found["grade"] == {"counts": {"low": 1, "mid": 0, "high": 1}}
    assert found["move"] == {"counts": {"rest": 2, "walk": 2, "run": 2}}
    assert found["who"] == {"identities": 2}


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("modality", "film", r"targets.move.modality.*'film'. Choices: note"),
        ("steps", 1, r"targets.move.steps.*2.*1"),
        ("step", 3, r"Did you mean `steps`"),
    ],
)
def test_a_wrong_sequence_is_refused(key, value, message):
    targets = {**SPEC["targets"], "move": {**SPEC["targets"]["move"]}}
    targets["move"][key] = value
    with pytest.raises(ValueError, match=message):
        DataSpec.from_dict({**SPEC, "targets": targets})


def test_a_baseline_without_the_modality_keeps_the_sequence():
    spec = DataSpec.from_dict(SPEC)
    assert spec.only("table").targets["move"].modality is None
    assert spec.only("note").targets == spec.targets


def move_of(**changes):
    targets = {**SPEC["targets"], "move": {**SPEC["targets"]["move"]}}
    targets["move"] |= changes
    return DataSpec.from_dict({**SPEC, "targets": targets})


def test_a_sequence_of_several_modalities_keeps_those_of_a_baseline():
    spec = move_of(modality=["note", "table"])
    assert spec.targets["move"].modalities == ("note", "table")
    assert spec.only("note").targets["move"].modalities == ("note",)
    assert DataSpec.from_dict(spec.to_dict()) == spec
    with pytest.raises(
        ValueError, match=r"move.modality.*'film'. Choices: note"
    ):
        move_of(modality=["note", "film"])


@pytest.mark.parametrize(
    "crop, cell, values, weights",
    [
        ("start", "walk|run", [1, 2, 0, 0], [1, 1, 0, 0]),
        ("center", "walk", [1, 0, 0, 0], [1, 0, 0, 0]),
        ("start", "run|run|walk|walk|rest|rest", [2, 2, 1, 1], [1] * 4),
        ("center", "run|run|walk|walk|rest|rest", [2, 1, 1, 0], [1] * 4),
        ("center", "run|walk|walk|walk|rest", [2, 1, 1, 1], [1] * 4),
    ],
)
def test_a_sequence_of_variable_length_is_padded_and_cut_as_its_series(
    crop, cell, values, weights
):
    spec = move_of(length="variable", crop=crop)
    table = pd.DataFrame({**CELLS, "move": [cell, "", "walk"]})
    found, known, bad = read_targets(spec, table)
    assert bad == []
    assert found["move"][0].tolist() == values
    assert known["move"][0].tolist() == weights


def test_padded_and_cut_sequences_are_counted():
    target = move_of(length="variable").targets["move"]
    cells = ["walk", "", "walk|walk", "|||", "run|run|run|run|run"]
    assert target.notes(cells) == {"padded": 2, "cut": 1}
    assert move_of().targets["move"].notes(cells) == {}


def test_steps_and_labels_must_be_cut_alike():
    parts = {"kind": "series", "column": "s", "channels": ["x"],
             "sample_rate_hz": 1, "duration_sec": 4}  # fmt: skip
    move = {**SPEC["targets"]["move"], "modality": "s", "length": "variable"}
    with pytest.raises(ValueError, match=r"move.crop.*'start', and 'center'"):
        DataSpec.from_dict(
            {
                "name": "cut",
                "modalities": {"s": {**parts, "crop": "center"}},
                "targets": {"move": move},
            }
        )


def test_an_ordinal_may_stratify():
    split = {**SPEC["split"], "stratify": "grade"}
    assert DataSpec.from_dict({**SPEC, "split": split}).split.stratify
    with pytest.raises(ValueError, match="'category' or 'ordinal'"):
        DataSpec.from_dict({**SPEC, "split": {**split, "stratify": "move"}})


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    rows = write_table(folder, samples=60)
    prepare(toy_spec(folder), folder / "data", workers=1)
    data = load_data(folder / "data", batch_size=60, cache=False)
    return data, rows


def test_a_batch_holds_what_the_cells_say(prepared):
    data, rows = prepared
    spec = data.spec
    x, y, weights = next(iter(data.test))
    assert y["move"].shape[1:] == weights["move"].shape[1:] == (4,)
    assert y["grade"].dtype == y["who"].dtype == y["move"].dtype == "int32"
    names: dict[int, str] = {}
    for place, row in enumerate(data.ids("test")):
        cells = rows[int(row)]
        grade = spec.targets["grade"].classes[y["grade"][place]]
        assert weights["grade"][place] == bool(cells["grade"])
        assert not cells["grade"] or grade == cells["grade"]
        steps = cells["move"].split("|") if cells["move"] else [""] * 4
        assert weights["move"][place].numpy().tolist() == [
            float(step != "") for step in steps
        ]
        who = int(y["who"][place])
        assert (who == -1) == (not cells["who"])
        assert names.setdefault(who, cells["who"]) == cells["who"]


def test_a_recipe_sets_what_the_heads_take(prepared):
    data, _ = prepared
    recipe = {
        "fusion": {"method": "concat", "units": 8},
        "heads": {
            "side": {"class_weights": "balanced", "focal_gamma": 2.0},
            "move": {"units": 6},
            "size": {"huber_delta": 1.5},
            "who": {"units": 7, "objective": "siglip"},
        },
    }
    model, heads = build_from_recipe(data.spec, data.statistics, recipe)
    counts = data.statistics["targets"]["side"]["counts"]
    assert heads["side"].class_weights == pytest.approx(
        [sum(counts.values()) / 2 / counts[c] for c in ("left", "right")]
    )
    shapes = {n: tuple(v.shape[1:]) for n, v in model.output.items()}
    assert shapes == {
        "side": (2,), "tags": (2,), "grade": (3,), "move": (4, 3),
        "size": (1,), "who": (7,),
    }  # fmt: skip
    assert heads["move"].modality == "note"
    with pytest.raises(ValueError, match=r"`heads.who.unit`.*mean `units`"):
        build_from_recipe(
            data.spec, data.statistics, {"heads": {"who": {"unit": 7}}}
        )


def test_an_absent_modality_has_no_tokens_for_a_sequence(prepared):
    data, _ = prepared
    model, _ = build_from_recipe(
        data.spec, data.statistics, {"fusion": {"method": "concat"}}
    )
    x, _, _ = next(iter(data.test))
    x = {name: value.numpy() for name, value in x.items()}
    x["present"][:] = 0
    before = np.asarray(model(x)["move"])
    x["note"] = np.roll(x["note"], 1, axis=0)
    np.testing.assert_array_equal(np.asarray(model(x)["move"]), before)
    x["present"][:] = 1
    assert np.abs(np.asarray(model(x)["move"]) - before).max() > 1e-4


def test_what_was_padded_is_said(tmp_path, capsys):
    rows = write_table(tmp_path, samples=40)
    text = (tmp_path / "manifest.csv").read_text()
    move = next(row["move"] for row in rows if row["move"].count("|") == 3)
    (tmp_path / "manifest.csv").write_text(text.replace(move, "walk"))
    spec = toy_spec(tmp_path, length="variable")
    found = prepare(spec, tmp_path / "data", workers=1)["notes"]["move"]
    assert found == {"padded": text.count(move)}
    assert f"padded: {found['padded']} (" in capsys.readouterr().err

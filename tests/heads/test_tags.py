"""Labels of spans: how they are written, read and measured, and the head."""

import csv
import json

import keras
import numpy as np
import pytest

from mmkeras import heads
from mmkeras.data import load_data, prepare
from mmkeras.metrics import entities, find_spans, missed_spans, tags_of
from mmkeras.spec import DataSpec

TEXT = "took aspirin, 5 mg, for a bad headache"
DRUG, ILLNESS = [5, 12, "drug"], [26, 38, "illness"]
BOTH = json.dumps([DRUG, ILLNESS])
SPEC = {
    "name": "notes",
    "data": {"max_bad_fraction": 1.0},
    "modalities": {
        "note": {
            "kind": "text", "column": "text", "max_tokens": 12,
            "tokenizer": "word", "vocabulary_size": 60, "optional": True,
        },
        "age": {"kind": "vector", "columns": ["age"]},
    },
    "targets": {
        "spans": {
            "kind": "tags", "column": "spans", "modality": "note",
            "classes": ["drug", "illness"],
        }
    },
}  # fmt: skip


def prepared(folder, *cells, text=TEXT, augment=False, **keys):
    """Prepares cells of one text, the first samples of the training split.

    Returns:
        Tags and weights of those that are left, in their order; the
        quarantined as [sample, reason]; and what was noted.
    """
    target = {**SPEC["targets"]["spans"], **keys}
    spec = {
        **SPEC,
        "split": {"method": "column", "column": "split"},
        "targets": {"spans": target},
    }
    rows = [(text, cell, 1, "train") for cell in cells]
    rows += [(TEXT, BOTH, 1, split) for split in ("validation", "test")]
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "spans", "age", "split"])
        writer.writerows(rows)
    out = folder / "out"
    prepare(DataSpec.from_dict(spec), out, root=folder, workers=1)
    data = load_data(out, batch_size=32, augment=augment)
    batches = [batch[1:] for batch in data.ordered("train")]
    tags, weights = (
        [row for batch in batches for row in np.asarray(batch[part]["spans"])]
        for part in (0, 1)
    )
    bad = list(csv.reader((out / "quarantine.csv").open()))[1:]
    notes = json.loads((out / "manifest.json").read_text())
    return tags, weights, [row[:3:2] for row in bad], json.dumps(notes)


def spans(tags):
    return [find_spans(row) for row in tags]


def test_spans_are_read_in_every_form(tmp_path):
    (tmp_path / "one.json").write_text(f'{{"entities": {BOTH}}}')
    (tmp_path / "one.ann").write_text(
        "T1\tdrug 5 12\taspirin\nR1\tfor Arg1:T1 Arg2:T2\n"
        "T2\tillness 26 38\tbad headache\n"
    )
    told = [
        {"start": s, "end": e, "label": label, "text": TEXT[s:e]}
        for s, e, label in (ILLNESS, DRUG)
    ]
    forms = [
        BOTH, json.dumps(told), "drug:5,12;illness:26,38", "one.json",
        "one.ann",
    ]  # fmt: skip
    words = "O B-drug O O O O B-illness I-illness"
    tags, weights, bad, _ = prepared(tmp_path, *forms, words, "[]", ";", "")
    assert not bad
    assert spans(tags[:5]) == [[(1, 2, 0), (8, 10, 1)]] * 5
    # What stands between two blanks is a word, its comma too.
    assert spans(tags[5:]) == [[(1, 3, 0), (8, 10, 1)], [], [], []]
    # Ten tokens, and padding; no label weighs nothing.
    assert [row.sum() for row in weights] == [10] * 8 + [0]
    assert all((row[10:] == 0).all() for row in weights)


def test_what_cannot_be_a_span_is_a_row_with_its_reason(tmp_path):
    (tmp_path / "cut.json").write_text(BOTH[:-9])
    (tmp_path / "parts.ann").write_text("T1\tdrug 5 7;9 12\tas rin\n")
    wrong = {
        '[[30, 40, "illness"]]': "span_outside",
        '[[-2, 4, "illness"]]': "span_outside",
        '[[5, 5, "drug"]]': "span_empty",
        '[[4, 5, "drug"]]': "span_empty",
        '[[5, 12, "drugs"]]': "unknown_class",
        "drug:5,12;illness:11,18": "spans_overlap",
        "drug:5,9": "span_in_token",
        "drug:5": "wrong_format",
        '[[5, 12.5, "drug"]]': "wrong_format",
        "B-drug O": "wrong_size",
        "cut.json": "wrong_format",
        "parts.ann": "wrong_format",
        "gone.ann": "not_found",
        '[{"start": 5, "end": 12, "label": "drug", "text": "spirin,"}]': (
            "span_outside"
        ),
    }
    tags, _, bad, _ = prepared(tmp_path, *wrong, BOTH)
    assert len(tags) == 1
    assert [reason for _, reason in bad] == [*wrong.values()]


def test_a_span_that_tokens_do_not_hold_is_refused_or_made_to_fit(tmp_path):
    long = f"{TEXT} and also pneumonia"
    beyond = json.dumps([DRUG, [48, 57, "illness"]])
    inside = json.dumps([[4, 10, "drug"], ILLNESS])
    two = "drug:5,8;illness:8,12"
    _, _, bad, _ = prepared(tmp_path, beyond, inside, BOTH, text=long)
    assert [reason for _, reason in bad] == ["too_long", "span_in_token"]
    (tmp_path / "fit").mkdir()
    tags, weights, bad, notes = prepared(
        tmp_path / "fit", beyond, inside, two, text=long, cut="fit"
    )
    assert spans(tags) == [[(1, 2, 0)], [(1, 2, 0), (8, 10, 1)]]
    assert [reason for _, reason in bad] == ["spans_overlap"]
    assert '"spans_beyond": 1' in notes and '"spans_widened": 1' in notes


def test_tags_and_spans_are_each_other():
    drawn = np.random.default_rng(0)
    for _ in range(50):
        cuts = np.sort(drawn.choice(np.arange(13), 6, replace=False))
        made = [
            (int(a), int(b), int(drawn.integers(3)))
            for a, b in zip(cuts[::2], cuts[1::2], strict=True)
        ]
        assert find_spans(tags_of(made, 12)) == made
    # What goes on without having begun begins there.
    assert find_spans([0, 2, 2, 4, 0]) == [(1, 3, 0), (3, 4, 1)]


def test_f1_counts_spans_that_are_right_from_end_to_end():
    truth = np.array(
        [[0, 1, 2, 0, 3, 0], [1, 0, 0, 0, 0, 0], [3, 4, 0, 0, 0, 0]]
    )
    said = np.array(
        [[0, 1, 2, 0, 3, 4], [1, 0, 1, 0, 0, 3], [0, 0, 0, 0, 0, 0]]
    )
    weights = np.ones(truth.shape)
    weights[1, 5] = weights[2] = 0
    outputs = np.eye(5)[said]
    found = entities(truth, outputs, weights, ["drug", "illness"])
    # Two of three are found, of four that are said; what is padding or without
    # a label is neither.
    wanted = {
        "entity_f1": 4 / 7, "entity_precision": 2 / 4, "entity_recall": 2 / 3,
        "entity_macro_f1": (4 / 5 + 0) / 2,
        "entity_f1_drug": 4 / 5, "entity_f1_illness": 0.0,
    }  # fmt: skip
    assert found.values() == pytest.approx(wanted)
    # The first text drawn twice, and the second not at all.
    assert found(np.array([[2, 0]]))["entity_f1"] == pytest.approx(2 / 4)
    assert missed_spans(truth, outputs, weights).astype(int).tolist() == [
        2,
        1,
        0,
    ]


def test_the_head_tags_tokens_by_what_else_is_known():
    head = heads.Tags(classes=3, steps=6, modality="note", units=8)
    fused, tokens, mask = (keras.Input(shape) for shape in ((4,), (3, 5), (3,)))
    features = {"note": {"tokens": tokens, "mask": mask}}
    model = keras.Model([fused, tokens, mask], head(fused, "y", features))
    draw = np.random.default_rng(0)
    values = [draw.normal(size=(3, *s)).astype("float32")
              for s in ((4,), (3, 5))]  # fmt: skip
    there = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0]], "float32")
    found = np.asarray(model([*values, there]))
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-6)
    # Two steps a token, as after a tower that strides.
    outside = (found == [1, 0, 0]).all(axis=-1)
    assert outside.tolist() == [
        [False] * 6,
        [False] * 2 + [True] * 4,
        [True] * 6,
    ]
    other = np.asarray(model([values[0] + 1, values[1], there]))
    assert np.abs(other - found)[:2].max(axis=(1, 2)).min() > 1e-3
    assert np.array_equal(other[2], found[2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modality": "age"}, "a modality of texts. .*'age'. Choices: note"),
        ({"modality": "x"}, "must be read with a modality of the spec"),
        ({"classes": ["drug", "drug"]}, "must all differ. .*'drug' twice"),
        ({"cut": "no"}, "'refuse' or 'fit'"),
    ],
)
def test_a_wrong_spec_is_refused(change, message):
    target = {**SPEC["targets"]["spans"], **change}
    with pytest.raises(ValueError, match=message):
        DataSpec.from_dict({**SPEC, "targets": {"spans": target}})


def test_what_moves_tokens_away_from_their_tags_is_refused(tmp_path):
    for key in ("deletion", "swap"):
        with pytest.raises(ValueError, match=f"augment.note.{key}` must be 0"):
            prepared(tmp_path, BOTH, augment={"note": {key: 0.1}})
        (tmp_path / "out").rename(tmp_path / key)
    prepared(tmp_path, BOTH, augment={"note": {"token_dropout": 0.1}})


def test_rare_tags_can_weigh_as_much_as_common_ones(tmp_path):
    prepared(tmp_path, *[BOTH] * 3, "[]")
    data = load_data(tmp_path / "out", augment=False)
    facts = data.statistics["targets"]["spans"]
    # Ten tokens a text; a drug is one of them, an illness two.
    assert facts["counts"] == {"drug": 3, "illness": 3}
    assert facts["tokens"] == [31, 3, 0, 3, 3]
    target = data.spec.targets["spans"]
    options = target.head_options().read({"class_weights": "balanced"}, "spans")
    weights = target.head(facts, options).class_weights
    assert weights == pytest.approx([10 / 31, 10 / 3, 1, 10 / 3, 10 / 3])

"""Transcripts: from a cell to ids, from frames to a text, and the loss."""

import itertools

import keras
import numpy as np
import pytest

from mmkeras import heads, kinds
from mmkeras.data import settings_of
from mmkeras.spec import DataSpec, SeenColumn

decoding = kinds.Transcript.part("frame_decoding")

LETTERS = {"alphabet": "abc", "separator": "", "beam": 0, "words": ()}


def target(**keys):
    keys = {"alphabet": "ab c", "steps": 8, "max_symbols": 6, **keys}
    return kinds.Transcript(kind="transcript", column="y", modality="x", **keys)


def draws(samples=6, frames=9, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    return 2 * rng.normal(size=(samples, frames, classes)).astype("float32")


@pytest.mark.parametrize(
    "cell, ids",
    [
        ("ab", [1, 2]),
        ("  a   b ", [1, 3, 2]),
        ("aab", [1, 1, 2]),
        ("a\tb", [1, 3, 2]),
    ],
)
def test_a_cell_becomes_ids_with_their_count(cell, ids):
    values, weights, bad = target().encode([cell, ""])
    assert bad == [] and weights.tolist() == [1, 0]
    assert values[0].tolist() == [len(ids), *ids, *[0] * (6 - len(ids))]
    assert not values[1].any()


@pytest.mark.parametrize(
    "keys, cell, reason, detail",
    [
        ({}, "abx", "outside_alphabet", "'x'"),
        ({}, "A", "outside_alphabet", "'A'"),
        ({}, "abababa", "too_long", "7 symbols"),
        ({}, "aaaaa", "too_long", "9 frames needed"),
        ({"unknown": "drop"}, "xyz", "empty", "no symbol"),
        ({"alphabet": ["one", "two"], "separator": " "}, "one three",
         "outside_alphabet", "'three'"),
    ],
)  # fmt: skip
def test_a_wrong_cell_is_named_and_weighs_nothing(keys, cell, reason, detail):
    _, weights, ((row, code, said),) = target(**keys).encode(["", cell])
    assert (row, code) == (1, reason) and detail in said
    assert weights.tolist() == [0, 0]


def test_what_is_just_short_enough_is_read():
    # Eight frames: five letters, and a blank between each two alike.
    assert target().encode(["aabbc"])[2] == []
    assert target(max_symbols=4, steps=7).encode(["aaaa"])[2] == []


def test_pieces_are_taken_the_longest_first():
    pieces = target(alphabet=["a", "b", "ab", " ", " ab"])
    values, _, bad = pieces.encode(["ab ab a"])
    assert bad == [] and values[0].tolist() == [4, 3, 5, 4, 1, 0, 0]
    assert pieces.label_cell(values[0], 1) == "ab ab a"


def test_whole_words_are_symbols_with_a_separator():
    words = target(alphabet=["one", "two"], separator=" ")
    values, _, _ = words.encode([" two one  one"])
    assert values[0].tolist() == [3, 2, 1, 1, 0, 0, 0]
    assert words.label_cell(values[0], 1) == "two one one"


def test_letters_that_are_dropped_are_counted():
    cells = ["a-b!", "ab", "Ab", ""]
    lower = target(unknown="drop", lowercase=True)
    assert lower.encode(cells)[0][0].tolist() == [2, 1, 2, 0, 0, 0, 0]
    assert lower.notes(cells) == {
        "texts_with_dropped_letters": 1,
        "dropped_letters": 2,
    }
    assert target().notes(cells) == {}


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"alphabet": "aba"}, "each symbol once.*'a' twice"),
        ({"alphabet": "abC", "lowercase": True}, "no capital.*'C'"),
        ({"max_symbols": 9}, "at most `steps`.*9 and steps=8"),
        ({"words": ["a b"]}, "single words.*'a b'"),
        ({"alphabet": "e\u0301"}, "in NFC"),
        ({"beam": -1}, "beam"),
        ({"alphabet": ""}, "alphabet"),
    ],
)
def test_a_wrong_spec_is_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        target(**keys)


def test_a_text_that_is_cut_into_parts_is_the_same_text():
    for logits in draws(30):
        whole = decoding.Greedy().push(logits)
        parts = decoding.Greedy()
        for part in np.split(logits, [1, 2, 5, 5, 8]):
            parts.push(part)
        assert parts.ids == whole.ids and parts.frames == whole.frames
        assert parts.log_probability == pytest.approx(whole.log_probability)


def test_a_run_over_the_edge_of_a_part_counts_once_and_a_blank_ends_it():
    part = 9 * np.eye(4)[[1, 1, 2]]
    found = decoding.Greedy().push(part).push(9 * np.eye(4)[[2, 0, 2]])
    assert found.ids == [1, 2, 2] and found.frames == [0, 2, 5]


def every_text(logits):
    """Log-probability of each text, summed over all paths."""
    scores, found = decoding.log_softmax(logits), {}
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        pairs = zip(path, (0, *path), strict=False)
        ids = tuple(a for a, b in pairs if a != b and a)
        here = sum(row[i] for row, i in zip(scores, path, strict=True))
        found[ids] = np.logaddexp(found.get(ids, -np.inf), here)
    return found


def test_a_wide_beam_finds_the_likeliest_of_all_texts():
    beats_greedy = 0
    for logits in draws(12, frames=5):
        texts = every_text(logits)
        best = max(texts, key=texts.get)
        found = decoding.Beam({**LETTERS, "beam": 500}).push(logits)
        assert tuple(found.ids) == best
        assert found.log_probability == pytest.approx(texts[best])
        assert len(found.frames) == len(best)
        beats_greedy += decoding.Greedy().push(logits).ids != list(best)
    assert beats_greedy


def test_a_beam_with_words_finds_the_likeliest_text_of_these_words():
    words = {"alphabet": "ab ", "separator": "", "beam": 500,
             "words": ("ab", "b", "ba")}  # fmt: skip
    for logits in draws(8, frames=5, seed=3):
        texts = {
            ids: score
            for ids, score in every_text(logits).items()
            if not ids
            or {*decoding.text_of(ids, words).split(" ")} <= {*words["words"]}
        }
        found = decoding.decoder(words).push(logits)
        assert tuple(found.ids) == max(texts, key=texts.get)


def test_words_that_are_symbols_may_be_told_apart_too():
    entry = {"alphabet": ["one", "two", "on"], "separator": " ", "beam": 0,
             "words": ("one", "two")}  # fmt: skip
    logits = np.log([[0.1, 0.3, 0.1, 0.5], [0.1, 0.1, 0.7, 0.1]])
    assert decoding.decoder(entry).push(logits).ids == [1, 2]
    assert decoding.decoder({**entry, "words": ()}).push(logits).ids == [3, 2]


def labels_of(texts):
    return target(alphabet="abc", max_symbols=4).encode(texts)[0]


def test_the_loss_is_that_of_all_paths():
    logits = draws(4, frames=5)
    texts = ["ab", "c", "aa", "cba"]
    loss = heads.CTC(reduction="none")
    found = np.asarray(loss(labels_of(texts), logits))
    for value, text, rows in zip(found, texts, logits, strict=True):
        ids = tuple("abc".index(letter) + 1 for letter in text)
        assert value == pytest.approx(-every_text(rows)[ids], rel=1e-4)


def test_the_metric_of_training_is_the_character_error_rate():
    texts, logits = ["ab", "c", "aa", "cba", "b", "acca"], draws()
    weights = np.array([1, 0, 0.5, 2, 1, 1])
    kind = target(alphabet="abc", steps=9, max_symbols=4)
    labels = kind.encode(texts)[0]
    wanted = kind.figures(labels, logits, weights).values()["cer"]
    metric = heads.SymbolErrorRate()
    for rows in (slice(0, 4), slice(4, 6)):
        metric.update_state(labels[rows], logits[rows], weights[rows])
    assert float(metric.result()) == pytest.approx(wanted, rel=1e-5)


def test_the_commonest_transcript_is_the_baseline():
    kind = target()
    values, weights, _ = kind.encode(["ab", "aab", "aab", ""])
    facts = kind.facts(values, weights)
    assert facts == {
        "symbols": 8, "longest": 3, "different": 2, "commonest": [1, 1, 2],
    }  # fmt: skip
    constant = kind.constant(facts)
    assert constant.shape == (8, 5)
    assert kind.answer_cell(constant) == "aab"
    assert kind.constant({}) is None


def test_a_report_has_text_beside_text():
    kind = target(alphabet=["one", "two"], separator=" ")
    values, _, _ = kind.encode(["one two"])
    said = kind.spell(values[0], 9 * np.eye(3)[[1, 0, 1, 0, 0, 0, 0, 0]])
    assert (said["label"], said["answer"]) == ("one two", "one one")
    assert said["aligned"] == [("one", "one"), ("two", "one")]


def features_of(**tokens):
    mask = keras.Input((4,), name="mask")
    inputs = {
        name: keras.Input((count, 6), name=name)
        for name, count in tokens.items()
    }
    found = {
        name: {"tokens": x, "mask": keras.ops.ones_like(x[:, :, 0])}
        for name, x in inputs.items()
    }
    return inputs, found, mask


@pytest.mark.parametrize(
    "sound, lips, steps", [(8, 4, 8), (8, 3, 8), (5, 4, 16), (16, 8, 8)]
)
def test_several_modalities_are_fused_frame_by_frame(sound, lips, steps):
    inputs, features, _ = features_of(sound=sound, lips=lips)
    fused = keras.Input((5,), name="fused")
    head = heads.Transcript(
        symbols=2, steps=steps, modality=("sound", "lips"), units=4
    )
    model = keras.Model(
        {**inputs, "fused": fused}, {"y": head(fused, "y", features)}
    )
    rng = np.random.default_rng(0)
    x = {n: rng.normal(size=(3, *t.shape[1:])).astype("float32")
         for n, t in {**inputs, "fused": fused}.items()}  # fmt: skip
    before = np.asarray(model(x)["y"])
    assert before.shape == (3, steps, 3)
    for name, count in (("sound", sound), ("lips", lips)):
        changed = {**x, name: x[name].copy()}
        changed[name][:, -1] += 1
        moved = np.abs(np.asarray(model(changed)["y"]) - before).max((0, 2))
        # What is over the last token moves, and the first half does not.
        assert moved[-1] > 1e-4 and not moved[: steps // 2].any()
    # All that is there is read: the fused vector says no more.
    x["fused"] += 1
    np.testing.assert_array_equal(np.asarray(model(x)["y"]), before)


def test_a_modality_beside_those_read_is_heard_through_the_fusion():
    inputs, features, _ = features_of(sound=4, table=1)
    fused = keras.Input((5,), name="fused")
    head = heads.Transcript(symbols=2, steps=4, modality="sound", units=4)
    model = keras.Model(
        {**inputs, "fused": fused}, {"y": head(fused, "y", features)}
    )
    x = {n: np.ones((1, *t.shape[1:]), "float32")
         for n, t in {**inputs, "fused": fused}.items()}  # fmt: skip
    before = np.asarray(model(x)["y"])
    x["fused"] *= -3
    assert np.abs(np.asarray(model(x)["y"]) - before).max() > 1e-3


def test_without_any_of_its_modalities_frames_come_of_the_fused_vector():
    fused = keras.Input((5,), name="fused")
    head = heads.Transcript(symbols=2, steps=6, modality="sound", units=4)
    model = keras.Model(fused, head(fused, "y", {}))
    found = np.asarray(model(np.ones((1, 5), "float32")))
    assert found.shape == (1, 6, 3) and np.ptp(found, axis=1).max() > 1e-3


def test_a_late_fusion_is_refused():
    head = heads.Transcript(symbols=2, steps=6, modality="sound")
    with pytest.raises(ValueError, match="transcript `y`; choose another"):
        head.finish(None, "y")


def seen(cells):
    return SeenColumn("said", cells)


def test_transcripts_are_recognised_by_their_letters():
    rng = np.random.default_rng(0)
    words = ["the", "cat", "sat", "on", "a", "mat", "hat", "fat", "rat"]
    many = [f"{w}{v}" for w in words for v in "abcdefghij"]
    cells = [" ".join(rng.choice(many, 5)) for _ in range(40)]
    found = kinds.Transcript.recognise(seen(cells))
    assert {*found.keys["alphabet"]} <= {*"abcdefghijmnorst "}
    assert found.keys["max_symbols"] == max(map(len, cells))
    assert {*found.asks} == {"modality", "steps"}


def test_few_words_are_symbols():
    rng = np.random.default_rng(0)
    digits = [f"{i}" for i in range(10)]
    cells = [" ".join(rng.choice(digits, rng.integers(2, 6)))
             for _ in range(60)]  # fmt: skip
    found = kinds.Transcript.recognise(seen(cells))
    assert found.keys == {
        "alphabet": digits, "separator": " ", "max_symbols": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    "cells",
    [["yes", "no"] * 20, ["1.5", "2"] * 20, ["a b", "c d"] * 20,
     [f"name{i}" for i in range(40)], ["one two"] * 5],
)  # fmt: skip
def test_classes_numbers_and_names_are_no_transcripts(cells):
    assert kinds.Transcript.recognise(seen(cells)) is None


def augmented(**settings):
    sound = {"kind": "audio", "column": "s", "sample_rate_hz": 8000,
             "duration_sec": 1.0, "speeds": [0.9]}  # fmt: skip
    said = {"kind": "transcript", "column": "y", "alphabet": "ab",
            "steps": 8, "max_symbols": 4, "modality": "sound"}  # fmt: skip
    spec = DataSpec.from_dict(
        {"name": "t", "modalities": {"sound": sound}, "targets": {"y": said}}
    )
    return settings_of(spec, {"sound": settings})


@pytest.mark.parametrize("key", ["time_crop", "time_shift"])
def test_augmentation_that_loses_a_part_of_what_is_said_is_refused(key):
    with pytest.raises(ValueError, match=f"{key}. must be 0 .*target `y`"):
        augmented(**{key: 0.1})


def test_a_text_is_the_same_louder_and_at_another_pace():
    settings = {"gain_db": 6, "variant_share": 0.5, "shift_sec": 0.05}
    found = augmented(**settings)["sound"]
    assert settings.items() <= found.items()

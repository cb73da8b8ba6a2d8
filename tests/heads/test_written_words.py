"""Texts of words, from a cell to labels, and what is learned of them."""

import numpy as np
import pytest

from mmkeras.generation import HALF, code_of
from mmkeras.kinds import WrittenText

CELLS = ["A dog  runs, fast.|Two dogs", "a dog runs", "", "one two three four "
         "five six seven", "a " + "b" * 40]  # fmt: skip


def target(**changes):
    return WrittenText(
        **{
            "kind": "text", "column": "c", "max_characters": 20,
            "unit": "words", "max_words": 5, "references": 2,
            "lowercase": True, **changes,
        }
    )  # fmt: skip


def numbers(row, start):
    """The numbers of the words of one text of a label."""
    high = row[42 + start :][:6]
    return [int(a * HALF + b) for a, b in zip(high, row[54 + start :])]


def test_a_label_tells_texts_and_words():
    values, weights, bad = target().encode(CELLS)
    assert not bad and values.shape == weights.shape == (5, 66)
    assert target().texts_of(values[0]) == ["a dog runs, fast", "two dogs"]
    pieces = ["a", " dog", " runs", ",", " fast"]
    assert numbers(values[0], 0) == [*map(code_of, pieces), 0]
    assert numbers(values[0], 6) == [code_of("two"), code_of(" dogs"), *[0] * 4]
    # The first text is cut and has no end, the second has one.
    assert weights[0, 42:54].tolist() == [1] * 5 + [0] + [1] * 3 + [0] * 3
    assert weights[0, :42].sum() == weights[0, 54:].sum() == 0
    assert not weights[2].any()


def test_numbers_survive_float32():
    values, _, _ = target().encode(CELLS)
    np.testing.assert_array_equal(values.astype("float32"), values)


def test_a_text_is_cut_between_words_and_counted():
    values, weights, _ = target().encode(CELLS)
    assert target().texts_of(values[3]) == ["one two three four"]
    assert target().texts_of(values[4]) == ["a"]
    assert target().notes(CELLS) == {"cut": 3}


def test_the_commonest_words_are_learned():
    cells = [f"w{i // 2} x" for i in range(40)]
    values, weights, _ = target().encode(cells)
    facts = target(vocabulary_size=16).facts(values, weights)
    assert len(facts["letters"]) == 16 and " x" in facts["letters"]
    # Twenty words, and the one that all have; two each are left out.
    assert facts["unknown_words"] == 2 * 5
    whole = target().facts(values, weights)
    assert len(whole["letters"]) == 21 and whole["unknown_words"] == 0


@pytest.mark.parametrize(
    "changes", [{"max_words": None}, {"unit": "characters"}]
)
def test_words_have_a_number_and_characters_none(changes):
    with pytest.raises(ValueError, match="`max_words` must be given with"):
        target(**changes)

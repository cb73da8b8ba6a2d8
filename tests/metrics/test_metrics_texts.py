"""Figures of texts, against the library and by hand."""

import math

import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from mmkeras.kinds import WrittenText
from mmkeras.metrics import measure, written_texts

TRUE = [
    ["the cat sat on the mat .", "a cat sits on a mat"],
    ["two dogs run in the grass"],
    ["a man rides a red bike down the street", "A man on a bike."],
]
FOUND = [
    "a cat sat on the mat",
    "two dogs run in the green grass",
    "a woman rides a red bike",
]


def figures(true, found, weights=None, likely=None):
    weights = np.ones(len(found)) if weights is None else np.array(weights)
    return written_texts(true, found, weights, likely)


def values(*arguments, **named):
    return figures(*arguments, **named).values()


def test_bleu_is_that_of_the_library():
    refs = [[t[i] if i < len(t) else None for t in TRUE] for i in range(2)]
    wanted = BLEU(lowercase=True).corpus_score(FOUND, refs).score
    assert values(TRUE, FOUND)["bleu"] == pytest.approx(wanted / 100)


def test_bleu_follows_what_is_drawn():
    drawn = figures(TRUE, FOUND)(np.array([[2.0, 0.0, 1.0]]))["bleu"][0]
    again = [TRUE[0], TRUE[0], TRUE[2]], [FOUND[0], FOUND[0], FOUND[2]]
    assert drawn == pytest.approx(values(*again)["bleu"])


@pytest.mark.parametrize(
    "true, found, wanted",
    [
        (["a b c d"], "a b c d", 1),
        (["A  b"], "a b", 1),
        (["a b c d"], "x", 0),
        (["a b c d"], "", 0),
        # Two of four, in order: precision 1, recall 1/2.
        (["a b c d"], "a c", 2.44 * 0.5 / (0.5 + 1.44)),
        (["x y", "a c"], "a c", 1),
        # Out of order only one is common.
        (["a b"], "b a", 0.5),
    ],
)
def test_rouge_is_the_longest_common_part(true, found, wanted):
    assert values([true], [found])["rouge_l"] == pytest.approx(wanted)


@pytest.mark.parametrize(
    "true, found, right",
    [
        (["red"], "red", 1),
        (["Red"], " red ", 1),
        (["red", "scarlet"], "scarlet", 1),
        (["red"], "redd", 0),
        (["red"], "", 0),
    ],
)
def test_exact_match_is_of_the_whole_text(true, found, right):
    assert values([true], [found])["exact_match"] == right


def test_cider_of_the_text_itself_is_ten_and_of_another_one_nothing():
    true = [["a b c d e"], ["f g h i j"], ["k l m n o"]]
    found = ["a b c d e", "f g h i j", "x y z u v"]
    assert values(true, found)["cider"] == pytest.approx(20 / 3)


def test_cider_and_rouge_are_those_of_the_coco_captions_package():
    # pycocoevalcap 1.2, `Cider` and `Rouge`, on the same words.
    found = values(TRUE, FOUND)
    assert found["cider"] == pytest.approx(4.782756297835559)
    assert found["rouge_l"] == pytest.approx(0.7794092547825583)


def test_cider_by_hand():
    # Unigrams: a is in both samples and so of no worth, b and c are rare.
    true, found = [["a b"], ["a c"]], ["a b", "c"]
    one = 10 / 4 * (1 + 1)  # one word, and one pair of words
    two = 10 / 4 * math.exp(-1 / 72)
    assert values(true, found)["cider"] == pytest.approx((one + two) / 2)


def test_perplexity_is_that_of_a_letter():
    likely = np.array([-2.0, -4.0, 0.0]), np.array([4.0, 2.0, 2.0])
    found = values(TRUE, FOUND, likely=likely)["perplexity"]
    assert found == pytest.approx(math.exp(6 / 8))
    assert "perplexity" not in values(TRUE, FOUND)


def test_weights_weigh_and_intervals_hold_the_value():
    true, found = [["a"], ["b"]], ["a", "x"]
    assert values(true, found, [3.0, 1.0])["exact_match"] == 0.75
    spans = measure(figures(TRUE, FOUND), resamples=50)
    for figure in spans.values():
        assert figure["low"] <= figure["value"] <= figure["high"]


def test_short_answers_have_no_bleu():
    assert math.isnan(values([["red"]], ["red"])["bleu"])


def test_nothing_labelled_has_no_figures():
    assert values([], []) == {}


def test_the_worst_texts_are_those_with_the_least_overlap():
    target = WrittenText(kind="text", column="c", max_characters=40)
    labels, _, _ = target.encode([texts[0] for texts in TRUE])
    answers = np.zeros((3, 3, 41))
    for row, text in zip(answers, FOUND, strict=True):
        row[0, : len(text)] = [*map(ord, text)]
    errors = target.errors(labels, answers, np.ones((3, 41)))
    each = [
        values([texts[:1]], [text[:40]])["rouge_l"]
        for texts, text in zip(TRUE, FOUND, strict=True)
    ]
    np.testing.assert_allclose(1 - errors, each)

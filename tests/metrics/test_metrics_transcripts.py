"""Word and character errors, by hand and against plain recursion."""

import functools

import numpy as np
import pytest

from mmkeras.metrics import aligned, edits, measure, transcript_errors


@pytest.mark.parametrize(
    "truth, answer, count",
    [
        ("kitten", "sitting", 3),
        ("", "abc", 3),
        ("abc", "", 3),
        ("", "", 0),
        ("aaaa", "aa", 2),
        ("one two three", "one three", 4),
        (["one", "two"], ["two"], 1),
        (["a"], ["b"], 1),
    ],
)
def test_edits_by_hand(truth, answer, count):
    assert edits(truth, answer) == edits(answer, truth) == count


def test_edits_are_those_of_the_plain_recursion():
    @functools.cache
    def plain(a, b):
        if not a or not b:
            return len(a) + len(b)
        return min(
            plain(a[1:], b[1:]) + (a[0] != b[0]),
            plain(a[1:], b) + 1,
            plain(a, b[1:]) + 1,
        )

    draw = np.random.default_rng(0)
    for _ in range(100):
        a, b = ("".join(draw.choice(list("abc"), draw.integers(0, 9)))
                for _ in "ab")  # fmt: skip
        assert edits(a, b) == plain(a, b)


def test_an_alignment_has_as_many_errors_as_there_are_edits():
    draw = np.random.default_rng(1)
    for _ in range(50):
        a, b = (draw.choice(["x", "y", "z"], draw.integers(0, 8)).tolist()
                for _ in "ab")  # fmt: skip
        pairs = aligned(a, b)
        assert [x for x, _ in pairs if x] == a
        assert [y for _, y in pairs if y] == b
        assert sum(x != y for x, y in pairs) == edits(a, b)


def test_errors_are_those_of_the_corpus_and_not_a_mean_of_samples():
    truth = ["one", "one two three four five"]
    answers = ["two", "one two  three four five "]
    found = transcript_errors(truth, answers, np.ones(2)).values()
    assert found["wer"] == pytest.approx(1 / 6)
    assert found["word_accuracy"] == pytest.approx(5 / 6)
    assert found["cer"] == pytest.approx(3 / (3 + 23))
    assert found["exact_match"] == 0.5


def test_more_may_be_wrong_than_was_said():
    found = transcript_errors(["a"], ["b c d"], np.ones(1)).values()
    assert found["wer"] == 3 and found["word_accuracy"] == -2


def test_a_resample_is_measured_as_the_samples_it_holds():
    draw = np.random.default_rng(2)
    texts = [" ".join(draw.choice(list("ab"), 3)) for _ in range(20)]
    answers = [" ".join(draw.choice(list("ab"), 3)) for _ in range(20)]
    weights = draw.uniform(0.5, 2, 20)
    figures = transcript_errors(texts, answers, weights)
    rows = draw.integers(0, 20, 20)
    found = figures(np.bincount(rows, minlength=20)[None])
    drawn = transcript_errors(
        [texts[i] for i in rows], [answers[i] for i in rows], weights[rows]
    )
    for name, value in drawn.values().items():
        assert found[name][0] == pytest.approx(value)
    spans = measure(figures, resamples=200)
    assert spans["wer"]["low"] < spans["wer"]["value"] < spans["wer"]["high"]

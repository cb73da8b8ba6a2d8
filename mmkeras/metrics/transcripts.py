"""Figures of transcripts: how many words and characters are wrong.

An error is a word put in another's place, left out or put in; the rate of
errors is over the whole corpus, not a mean over samples, so that a sample of
twenty words counts twenty times as much as one of a single word.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from mmkeras.metrics.figures import Figures, Sums, of_sums


def transcript_errors(
    truth: Sequence[str], answers: Sequence[str], weights: np.ndarray
) -> Figures:
    """Returns word and character error rate, and how many are exactly right.

    "word_accuracy" is 1 less the word error rate: below 0 where more is wrong
    than was said. Blanks at the ends, and several in a row, do not count.

    Args:
        truth: What was said, a text a sample.
        answers: What was understood.
        weights: `(samples,)`, all above 0.

    Example:

    >>> transcript_errors(["one two"], ["one too"], np.ones(1)).values()
    {'wer': 0.5, 'cer': 0.14..., 'word_accuracy': 0.5, 'exact_match': 0.0}
    """
    pairs = [(a.split(), b.split()) for a, b in zip(truth, answers)]
    letters = [(" ".join(a), " ".join(b)) for a, b in pairs]
    weights = np.asarray(weights, "float64")
    rows = {
        "weight": np.ones(len(pairs)),
        "words": [len(a) for a, _ in pairs],
        "word_errors": [edits(a, b) for a, b in pairs],
        "letters": [len(a) for a, _ in letters],
        "letter_errors": [edits(a, b) for a, b in letters],
        "exact": [a == b for a, b in pairs],
    }
    names = ("wer", "cer", "word_accuracy", "exact_match")
    sums = {name: weights * np.array(row) for name, row in rows.items()}
    return Figures(len(pairs), {names: of_sums(sums, _rates)})


def _rates(sums: Sums) -> dict[str, np.ndarray]:
    wer = sums["word_errors"] / sums["words"]
    return {
        "wer": wer,
        "cer": sums["letter_errors"] / sums["letters"],
        "word_accuracy": 1 - wer,
        "exact_match": sums["exact"] / sums["weight"],
    }


def edits(truth: Sequence[Hashable], answer: Sequence[Hashable]) -> int:
    """Returns the fewest changes that make the truth of an answer.

    A change puts one entry in another's place, leaves one out or puts one in.

    Example:

    >>> edits("kitten", "sitting")
    3
    """
    return int(_distances(truth, answer)[-1, -1])


def aligned(
    truth: Sequence[str], answer: Sequence[str]
) -> list[tuple[str, str]]:
    """Returns pairs of what was said and what was understood.

    "" stands where one was left out or put in. Of several alignments with as
    few changes, one.

    Example:

    >>> aligned(["one", "two", "three"], ["one", "three"])
    [('one', 'one'), ('two', ''), ('three', 'three')]
    """
    table = _distances(truth, answer)
    i, j = len(truth), len(answer)
    found = []
    while i or j:
        here = table[i, j]
        if (
            i
            and j
            and here == table[i - 1, j - 1] + (truth[i - 1] != answer[j - 1])
        ):
            i, j = i - 1, j - 1
            found.append((truth[i], answer[j]))
        elif i and here == table[i - 1, j] + 1:
            i -= 1
            found.append((truth[i], ""))
        else:
            j -= 1
            found.append(("", answer[j]))
    return found[::-1]


def _distances(truth: Sequence, answer: Sequence) -> np.ndarray:
    """Returns the edits between all beginnings of two sequences."""
    place = np.arange(len(answer) + 1)
    rows = [place]
    numbers: dict[Hashable, int] = {}
    given = np.array([numbers.setdefault(x, len(numbers)) for x in answer])
    for entry in truth:
        wrong = given != numbers.get(entry, -1)
        before = rows[-1]
        row = np.minimum(before[:-1] + wrong, before[1:] + 1)
        row = np.concatenate([before[:1] + 1, row])
        # What is put in counts one each: the least so far, and the way here.
        rows.append(np.minimum.accumulate(row - place) + place)
    return np.stack(rows)

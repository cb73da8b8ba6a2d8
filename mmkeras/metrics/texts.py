"""Figures of texts against the texts that people wrote."""

import collections
import functools
import math
import re
from collections.abc import Callable, Sequence

import numpy as np

from mmkeras.metrics.figures import Figures, Part, Sums, means, of_sums

# What figures of words count: words, and signs by themselves.
WORD = re.compile(r"\w+|[^\w\s]")
ORDERS = 4
# Weight of recall against precision, and the width by which CIDEr forgives
# another length, as in their papers.
ROUGE_BETA, CIDER_SIGMA = 1.2, 6.0
Words = list[str]


def written_texts(
    references: Sequence[Sequence[str]],
    answers: Sequence[str],
    weights: np.ndarray,
    likely: tuple[np.ndarray, np.ndarray] | None = None,
) -> Figures:
    """Returns exact match, ROUGE-L, BLEU, CIDEr-D and perplexity.

    Exact match is one of a whole text, but for case and blanks. BLEU is
    sacrebleu's of all samples together, on lower case, its precisions not
    smoothed; it is undefined where no answer or no reference has four words.
    Of CIDEr, the rarity of words is that among these samples, drawn or not.

    Args:
        references: Right texts of each sample, at least one.
        answers: The text that was written for each.
        weights: `(samples,)`, all above 0.
        likely: Of each sample, the sum of the log-probabilities of its
            references, and their letters; None where they are not known.

    Sources: Papineni et al., "BLEU", 2002; Lin, "ROUGE", 2004; Vedantam et
    al., "CIDEr", 2015 (arXiv 1411.5726).
    """
    true = [[words(text) for text in texts] for texts in references]
    found = [words(text) for text in answers]
    pairs = list(zip(true, found, strict=True))
    exact = [
        plain(answer) in map(plain, texts)
        for texts, answer in zip(references, answers, strict=True)
    ]
    weights = np.asarray(weights, "float64")
    parts: dict[tuple[str, ...], Part] = dict(
        means(
            weights,
            exact_match=np.array(exact, "float64"),
            rouge_l=np.array([rouge_l(*pair) for pair in pairs]),
        ).parts
    )
    parts["cider",] = later(
        lambda: means(weights, cider=cider(true, found)).parts["cider",]
    )
    parts["bleu",] = later(
        lambda: of_sums(
            _weighted(bleu_counts(references, answers), weights), _bleu
        )
    )
    if likely is not None:
        rows = {"likely": likely[0] * weights, "letters": likely[1] * weights}
        parts["perplexity",] = of_sums(rows, _perplexity)
    return Figures(len(answers), parts)


def later(make: Callable[[], Part]) -> Part:
    """Returns a part that is made when it is first asked for: it is dear."""
    made = functools.cache(make)
    return lambda counts: made()(counts)


def plain(text: str) -> str:
    """Returns a text without case, and with single blanks."""
    return " ".join(text.casefold().split())


def words(text: str) -> Words:
    """Returns words, and signs by themselves, without case."""
    return WORD.findall(text.casefold())


def text_overlap(references: Sequence[str], answer: str) -> float:
    """Returns ROUGE-L of one text alone."""
    return rouge_l([words(text) for text in references], words(answer))


def rouge_l(references: Sequence[Words], answer: Words) -> float:
    """Returns ROUGE-L of one text, the best over its references."""
    return max(_rouge_l(true, answer) for true in references)


def _rouge_l(true: Words, answer: Words) -> float:
    common = _common(true, answer)
    if not common:
        return float(not true and not answer)
    precision, recall = common / len(answer), common / len(true)
    beta = ROUGE_BETA**2
    return (1 + beta) * precision * recall / (recall + beta * precision)


def _common(one: Words, other: Words) -> int:
    """Returns the length of the longest common subsequence."""
    before = [0] * (len(other) + 1)
    for word in one:
        row = [0]
        for place, theirs in enumerate(other):
            best = max(before[place + 1], row[place])
            row.append(before[place] + 1 if word == theirs else best)
        before = row
    return before[-1]


def bleu_counts(
    references: Sequence[Sequence[str]], answers: Sequence[str]
) -> dict[str, np.ndarray]:
    """Returns what each sample adds to BLEU, as sacrebleu counts it."""
    from sacrebleu.metrics import BLEU

    bleu = BLEU(lowercase=True, effective_order=True)
    found = [
        bleu.sentence_score(answer, list(texts))
        for texts, answer in zip(references, answers, strict=True)
    ]
    rows = {
        "right": np.array([s.counts for s in found]).reshape(-1, ORDERS),
        "all": np.array([s.totals for s in found]).reshape(-1, ORDERS),
        "answered": np.array([s.sys_len for s in found]),
        "true": np.array([s.ref_len for s in found]),
    }
    return {name: row.astype("float64") for name, row in rows.items()}


def _weighted(rows: Sums, weights: np.ndarray) -> Sums:
    return {
        name: row * np.reshape(weights, (-1,) + (1,) * (row.ndim - 1))
        for name, row in rows.items()
    }


def _bleu(sums: Sums) -> dict[str, np.ndarray]:
    # NaN where no answer has as many words.
    precision = np.exp(np.log(sums["right"] / sums["all"]).mean(axis=-1))
    short = np.exp(np.minimum(0, 1 - sums["true"] / sums["answered"]))
    return {"bleu": precision * short}


def _perplexity(sums: Sums) -> dict[str, np.ndarray]:
    return {"perplexity": np.exp(-sums["likely"] / sums["letters"])}


def cider(
    references: Sequence[Sequence[Words]], answers: Sequence[Words]
) -> np.ndarray:
    """Returns CIDEr-D of each text, from 0 to 10.

    Args:
        references: Of each sample.
        answers: One of each.
    """
    found = np.zeros(len(answers))
    for order in range(1, ORDERS + 1):
        grams = [[_grams(t, order) for t in texts] for texts in references]
        counts = collections.Counter(
            gram for texts in grams for gram in {g for t in texts for g in t}
        )
        whole = math.log(max(2, len(references)))
        rarity = {gram: whole - math.log(n) for gram, n in counts.items()}
        for place, answer in enumerate(answers):
            mine = _grams(answer, order)
            each = [
                _cosine(mine, theirs, rarity, whole)
                * math.exp(
                    -((len(answer) - len(text)) ** 2) / 2 / CIDER_SIGMA**2
                )
                for theirs, text in zip(
                    grams[place], references[place], strict=True
                )
            ]
            found[place] += 10 * float(np.mean(each)) / ORDERS
    return found


def _grams(text: Words, order: int) -> collections.Counter:
    return collections.Counter(
        tuple(text[i : i + order]) for i in range(len(text) - order + 1)
    )


def _cosine(
    mine: collections.Counter,
    theirs: collections.Counter,
    rarity: dict[tuple, float],
    unseen: float,
) -> float:
    """Returns the similarity of two texts, what is said too often clipped."""

    def length(grams):
        parts = ((n * rarity.get(g, unseen)) ** 2 for g, n in grams.items())
        return math.sqrt(sum(parts))

    both = sum(
        min(n, theirs[gram]) * theirs[gram] * rarity[gram] ** 2
        for gram, n in mine.items()
        if gram in theirs
    )
    sizes = length(mine) * length(theirs)
    return both / sizes if sizes else 0.0

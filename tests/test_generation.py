"""Texts from logits: against an exhaustive search, and by hand."""

import itertools

import numpy as np
import pytest

from mmkeras.generation import (
    FIRST,
    GREEDY,
    Decoder,
    Sampling,
    generate,
)

LETTERS, LENGTH = "abc", 4


def decoder(seed):
    """A decoder whose letters follow from the letter before and the place."""
    draw = np.random.default_rng(seed)
    table = draw.normal(0, 2, (LENGTH, FIRST + 3, FIRST + 3))

    def step(inputs):
        rows = len(inputs["tokens"])
        logits = table[inputs["input_pos"], inputs["tokens"][:, 0]]
        new = np.zeros((rows, 1, 1, 2), np.float32)
        return {
            "logits": logits[:, None],
            "kv_cache_k_0": new,
            "kv_cache_v_0": new,
        }

    def likely(text):
        before, total = 1, 0.0
        ids = [FIRST + LETTERS.index(c) for c in text]
        for place, token in enumerate([*ids, 0][:LENGTH]):
            logits = np.delete(table[place, before], [1, 2])
            chance = table[place, before, token]
            total += chance - np.log(np.exp(logits).sum())
            before = token
        return total

    return Decoder(step, LETTERS, 3 + LENGTH, 1, 1), likely


MEMORY = np.zeros((1, 3, 5), np.float32)
EVERY = [
    "".join(letters)
    for size in range(LENGTH + 1)
    for letters in itertools.product(LETTERS, repeat=size)
]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_text_of_all(seed, penalty):
    writer, likely = decoder(seed)

    def rated(text):
        return likely(text) / min(len(text) + 1, LENGTH) ** penalty

    # As wide as there are texts of a length: nothing is left out.
    beam = Sampling(beams=64, length_penalty=penalty)
    ids, chances = generate(MEMORY, writer, beam)
    found = writer.text_of(ids[0])
    assert chances.sum() == pytest.approx(likely(found))
    assert rated(found) == pytest.approx(max(map(rated, EVERY)))


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_is_no_worse_than_greed(seed):
    writer, likely = decoder(seed)
    ids, chances = generate(MEMORY, writer, GREEDY)
    greedy = writer.text_of(ids[0])
    assert chances.sum() == pytest.approx(likely(greedy))
    beam = Sampling(beams=4, length_penalty=0.0)
    found = writer.text_of(generate(MEMORY, writer, beam)[0][0])
    assert likely(found) >= likely(greedy) - 1e-9


def test_what_is_drawn_is_as_likely_as_the_logits_say():
    writer, _ = decoder(0)
    memory = np.repeat(MEMORY, 4000, axis=0)
    ids, _ = generate(memory, writer, Sampling(temperature=1.0, seed=1))
    logits = writer.step(
        {"tokens": np.ones((1, 1), int), "input_pos": np.zeros(1, int)}
    )["logits"][0, 0]
    logits[[1, 2]] = -np.inf
    wanted = np.exp(logits) / np.exp(logits).sum()
    shares = np.bincount(ids[:, 0], minlength=len(wanted)) / len(ids)
    np.testing.assert_allclose(shares, wanted, atol=0.03)
    few = Sampling(temperature=1.0, top_k=2, seed=1)
    two = np.argsort(-wanted)[:2]
    assert set(generate(memory, writer, few)[0][:, 0]) == set(two)


def test_no_more_is_written_than_asked_for():
    writer, _ = decoder(3)
    for beams in (1, 2):
        short = Sampling(max_characters=1, beams=beams)
        assert len(writer.text_of(generate(MEMORY, writer, short)[0][0])) <= 1

"""Noise on each kind of modality, at the level that its axis says."""

from typing import Literal

import numpy as np
import pytest

from mmkeras.kinds import (
    Audio,
    Image,
    Series,
    Text,
    Vector,
    Video,
    Volume,
)
from mmkeras.spec import Modality
from mmkeras.studies.compare import noisy

DRAW = np.random.default_rng(0)


class Smell(Modality):
    """A kind that offers no more than it must."""

    kind: Literal["smell"]
    column: str


X = {
    "image": np.full((8, 16, 16, 3), 128, "uint8"),
    "video": np.full((8, 4, 8, 8, 3), 128, "uint8"),
    "volume": DRAW.normal(0, 100, (8, 8, 8, 8, 1)).astype("float32"),
    "audio": (0.1 * np.sin(np.arange(8 * 4000) / 9)).reshape(8, -1),
    "text": DRAW.integers(1, 50, (8, 200)).astype("int32"),
    "vector": DRAW.normal(0, 1, (500, 3)).astype("float32"),
    "series": DRAW.normal(0, 1, (8, 300, 2)).astype("float32"),
}
SPECS = {
    "image": Image(kind="image", column="x", height=16, width=16),
    "video": Video(kind="video", column="x", height=8, width=8, frames=4),
    "volume": Volume(
        kind="volume", column="x", depth=8, height=8, width=8,
        spacing_mm=[1, 1, 1], window_low=-200, window_high=800,
    ),
    "audio": Audio(
        kind="audio", column="x", sample_rate_hz=4000, duration_sec=1
    ),
    "text": Text(kind="text", column="x", max_tokens=200),
    "vector": Vector(kind="vector", columns=["a", "b"], categorical=["town"]),
    "series": Series(
        kind="series", column="x", channels=["a", "b"], sample_rate_hz=300,
        duration_sec=1,
    ),
}  # fmt: skip
LEVELS = {kind: spec.corruption().levels for kind, spec in SPECS.items()}
KNOWN = {"vector": {"variance": [4.0, 9.0]}, "series": {"std": [2.0, 5.0]}}


def worse(kind, level, seed=0, x=None):
    x = X[kind] if x is None else x
    batch = ({"it": x}, {"y": np.zeros(len(x))}, {"y": np.ones(len(x))})
    spec, known = SPECS[kind], KNOWN.get(kind)
    changed, _, _ = next(noisy([batch], "it", spec, level, seed, known))
    assert changed["it"].dtype == x.dtype
    return changed["it"].astype(float)


@pytest.mark.parametrize("kind", LEVELS)
def test_the_same_seed_gives_the_same_noise(kind):
    first, again = worse(kind, 1), worse(kind, 1)
    np.testing.assert_array_equal(first, again)
    assert (worse(kind, 1, seed=1) != first).any()
    assert (worse(kind, 2) != first).any()


@pytest.mark.parametrize("kind", LEVELS)
def test_each_level_is_worse_than_the_one_before(kind):
    away = [
        np.abs(worse(kind, level) - X[kind]).mean()
        for level in range(len(LEVELS[kind]))
    ]
    assert away == sorted(away) and away[0] > 0


@pytest.mark.parametrize(
    ("kind", "scale"),
    [("image", 255), ("video", 255), ("volume", 1000)],
)
def test_pixels_get_noise_of_a_share_of_full_scale(kind, scale):
    away = worse(kind, 0) - X[kind]
    assert away.std() / scale == pytest.approx(LEVELS[kind][0], rel=0.05)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_sound_gets_noise_of_a_ratio_in_decibel(level):
    noise = worse("audio", level) - X["audio"]
    ratio = 10 * np.log10(np.mean(X["audio"] ** 2) / np.mean(noise**2))
    assert ratio == pytest.approx(LEVELS["audio"][level], abs=0.3)


def test_silence_stays_silent():
    assert not worse("audio", 3, x=np.zeros((2, 100), "float32")).any()


@pytest.mark.parametrize(("kind", "deviations"), list(
    {"vector": [2.0, 3.0], "series": [2.0, 5.0]}.items()
))  # fmt: skip
def test_numbers_get_noise_in_their_own_deviations(kind, deviations):
    away = (worse(kind, 1) - X[kind])[..., : len(deviations)]
    found = away.reshape(-1, len(deviations)).std(axis=0)
    level = LEVELS[kind][1]
    np.testing.assert_allclose(found, level * np.array(deviations), rtol=0.1)


def test_categories_stay_and_gaps_stay_gaps():
    table = X["vector"].copy()
    table[0, 0] = np.nan
    changed = worse("vector", 2, x=table)
    np.testing.assert_array_equal(changed[:, 2], table[:, 2])
    assert np.isnan(changed[0, 0]) and np.isfinite(changed[1:]).all()


def test_tokens_are_left_out_and_the_rest_moves_forward():
    changed = worse("text", 1)
    for before, after in zip(X["text"], changed, strict=True):
        kept = after[after != 0]
        assert (after[len(kept) :] == 0).all()
        left = iter(before)
        assert all(token in left for token in kept), "the order changed"
    share = 1 - (changed != 0).mean()
    assert share == pytest.approx(0.3, abs=0.04)


def test_a_pretrained_models_marks_stay():
    tokens = np.array([[7, 1, 2, 3, 9, 0], [7, 9, 0, 0, 0, 0]], "int32")
    spec = Text(
        kind="text", column="x", max_tokens=6, tokenizer="bert",
        vocabulary="vocab.txt",
    )  # fmt: skip
    batch = ({"it": tokens}, {"y": np.zeros(2)}, None)
    for seed in range(20):
        x, _, _ = next(noisy([batch], "it", spec, 2, seed))
        for row in x["it"]:
            kept = row[row != 0]
            assert (kept[0], kept[-1]) == (7, 9)


def test_no_text_becomes_empty_and_none_stays_none():
    tokens = np.array([[5, 0, 0]] * 50 + [[0, 0, 0]], "int32")
    changed = worse("text", 2, x=tokens)
    np.testing.assert_array_equal(changed, tokens)


def test_a_kind_need_not_offer_any():
    assert Smell(kind="smell", column="x").corruption() is None

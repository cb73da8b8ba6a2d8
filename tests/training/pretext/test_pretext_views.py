"""What the random layers may change, and what they must leave."""

import keras
import numpy as np
import pytest
from keras import ops

from mmkeras.training.pretext import (
    CellViews,
    DrawPlaces,
    HidePatches,
    HideTokens,
    PictureViews,
    SoundViews,
    TextViews,
)


@pytest.fixture(autouse=True)
def same_numbers():
    keras.utils.set_random_seed(0)


def numbers(x):
    return ops.convert_to_numpy(x)


def pictures(*shape):
    draw = np.random.default_rng(0)
    return draw.integers(0, 256, shape).astype("uint8")


def texts(samples=400, length=12, size=50):
    draw = np.random.default_rng(0)
    ids = draw.integers(2, size, (samples, length)).astype("int32")
    ids[np.arange(length) >= draw.integers(0, length + 1, (samples, 1))] = 0
    return ids


OFF = {"crop": 1.0, "contrast": 0, "brightness": 0, "noise": 0, "erase": 0}


@pytest.mark.parametrize("shape", [(3, 8, 6, 3), (2, 4, 8, 6, 1)])
def test_pictures_pass_unchanged_where_all_is_off(shape):
    x = pictures(*shape)
    found = numbers(PictureViews(**OFF)(x))
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.concatenate([x, x]))


def test_pictures_are_flipped_only_if_asked_for():
    x = pictures(64, 5, 4, 1)
    found = numbers(PictureViews(**OFF, flip=True)(x))
    both = np.concatenate([x, x])
    same = (found == both).all((1, 2, 3))
    mirrored = (found == both[:, :, ::-1]).all((1, 2, 3))
    assert (same ^ mirrored).all()
    assert 40 < mirrored.sum() < 88


def test_all_frames_of_a_clip_are_changed_alike():
    frame = np.repeat(pictures(3, 1, 12, 12, 2), 4, axis=1)
    found = numbers(PictureViews(noise=0.0)(frame))
    assert (found == found[:, :1]).all()
    assert not np.array_equal(found[:3], found[3:])


def test_a_crop_is_enlarged_to_the_whole_picture():
    ramp = np.tile(np.arange(0, 240, 10.0), (8, 24, 1))[..., None]
    settings = {**OFF, "crop": 0.4}
    found = numbers(PictureViews(**settings)(ramp.astype("float32")))
    width = found[:, 0, -1, 0] - found[:, 0, 0, 0]
    # At least the square root of 0.4, less some 20 % where it is narrow.
    assert (width >= 230 * 0.4**0.5 * np.exp(-0.18) - 1e-3).all()
    assert width.min() < 200
    assert found.min() >= 0
    assert found.max() <= 230


def test_sounds_keep_their_loudness_within_the_gain():
    x = np.random.default_rng(0).normal(size=(50, 400)).astype("float32")
    views = numbers(SoundViews(speed=0, noise=0, silence=0)(x))
    power = (views**2).mean(1) / (np.concatenate([x, x]) ** 2).mean(1)
    decibels = 10 * np.log10(power)
    assert np.abs(decibels).max() <= 12.001
    assert np.abs(decibels).max() > 10
    # Shifted, and nothing lost.
    scale = np.sqrt(power)[0]
    assert np.sort(views[0] / scale) == pytest.approx(np.sort(x[0]), abs=1e-4)
    assert not np.allclose(views[0] / scale, x[0])


def test_a_faster_sound_is_higher():
    turn = 2 * np.pi * 50 * np.arange(1000) / 1000
    x = np.tile(np.sin(turn), (100, 1)).astype("float32")
    settings = {"gain": 0, "shift": 0, "noise": 0, "silence": 0}
    views = numbers(SoundViews(speed=0.2, **settings)(x))
    pitch = np.abs(np.fft.rfft(views)).argmax(1)
    assert 50 * np.exp(-0.2) - 1 <= pitch.min() < 44
    assert 57 < pitch.max() <= 50 * np.exp(0.2) + 1
    still = numbers(SoundViews(speed=0, **settings)(x))
    assert np.array_equal(still, np.concatenate([x, x]))


def test_a_silence_is_one_stretch_no_longer_than_allowed():
    x = np.ones((200, 100), "float32")
    views = numbers(SoundViews(gain=0, noise=0, silence=0.3)(x))
    silent = views == 0
    assert silent.sum(1).max() == 30
    edges = np.abs(np.diff(silent.astype(int), axis=1)).sum(1)
    assert edges.max() == 2


def test_a_view_of_a_text_is_a_stretch_of_it_turned_round():
    ids = texts()
    views = numbers(TextViews(drop=0.0, hide=0.0)(ids))
    turned = 0
    for view, text in zip(views, np.concatenate([ids, ids]), strict=True):
        text, kept = text[text != 0], view[view != 0]
        assert (view[len(kept) :] == 0).all()
        assert len(kept) >= len(text) / 2
        stretches = [
            text[i : i + len(kept)] for i in range(len(text) - len(kept) + 1)
        ]
        turns = [
            np.roll(s, n).tolist()
            for s in stretches
            for n in range(max(1, len(kept)))
        ]
        assert kept.tolist() in turns
        turned += kept.tolist() not in [s.tolist() for s in stretches]
    # Half of them, but where the turn is by nothing.
    assert 250 < turned < 400


def test_a_text_keeps_a_token_whatever_is_left_out():
    ids = texts()
    views = numbers(TextViews(crop=0.01, drop=1.0)(ids))
    real = (np.concatenate([ids, ids]) != 0).any(1)
    assert (views != 0).sum(1).tolist() == real.astype(int).tolist()


def test_cells_are_hidden_and_gaps_stay_gaps():
    draw = np.random.default_rng(0)
    x = draw.normal(5, 2, (40, 30, 3)).astype("float32")
    x[:, 7, 1] = np.nan
    views = numbers(CellViews()(x))
    assert np.isnan(views[:, 7, 1]).all()
    missing = np.isnan(views).mean()
    assert 0.2 < missing < 0.4
    assert np.abs(views - np.concatenate([x, x]))[~np.isnan(views)].max() < 6
    filled = numbers(CellViews(gap="zero")(np.nan_to_num(x)))
    assert not np.isnan(filled).any()


def test_categories_of_a_row_are_hidden_but_never_changed():
    draw = np.random.default_rng(0)
    row = np.concatenate(
        [draw.normal(1e6, 1, (300, 2)), draw.integers(2, 9, (300, 2))], axis=1
    ).astype("float32")
    views = numbers(CellViews(categories=2)(row))
    both = np.concatenate([row, row])
    known = ~np.isnan(views)
    assert 0.75 < known.mean() < 0.85
    assert (views == both)[:, 2:][known[:, 2:]].all()
    assert not (views == both)[:, :2][known[:, :2]].all()


@pytest.mark.parametrize("fill", ["noise", "nan", "zero"])
def test_patches_are_hidden_whole(fill):
    x = np.random.default_rng(0).normal(3, 2, (200, 20, 2)).astype("float32")
    hide = HidePatches((10,), (5,), 0.4, fill)
    y, flags = map(numbers, hide(x))
    assert flags.shape == (200, 10)
    # Blocks of two tokens, tokens of two steps.
    assert (flags[:, ::2] == flags[:, 1::2]).all()
    assert flags.mean() == pytest.approx(0.4, abs=0.05)
    hidden = np.repeat(flags, 2, axis=1) > 0
    assert np.array_equal(y[~hidden], x[~hidden])
    if fill == "nan":
        assert np.isnan(y[hidden]).all()
    elif fill == "zero":
        assert (y[hidden] == 0).all()
    else:
        assert y[hidden].mean() == pytest.approx(3, abs=0.1)
        assert y[hidden].std() == pytest.approx(2, abs=0.1)


def test_hidden_pixels_are_pixels():
    x = pictures(4, 9, 9, 3)
    y, flags = map(numbers, HidePatches((3, 3), (3, 3), 0.5)(x))
    assert y.dtype == np.uint8
    hidden = flags.repeat(3, 1).repeat(3, 2)
    assert 0.9 < (y != x)[hidden > 0].mean() < 1
    assert (y == x)[hidden == 0].all()


def test_tokens_are_hidden_as_bert_does():
    ids = texts(2000)
    hide = HideTokens(50, fraction=0.3, places=12)
    y, places, there = map(numbers, hide(ids))
    count = (ids != 0).sum(1)
    wanted = np.minimum(np.maximum(np.round(0.3 * count), 1), count)
    assert there.sum(1).tolist() == wanted.tolist()
    chosen = np.zeros(ids.shape, bool)
    for row in range(len(ids)):
        chosen[row, places[row][there[row] > 0]] = True
    assert chosen.sum() == wanted.sum()
    assert (ids[chosen] != 0).all()
    assert (y == ids)[~chosen].all()
    assert (y[chosen] == 1).mean() == pytest.approx(0.8, abs=0.02)
    # One in 48 of those made up is what it was.
    assert (y == ids)[chosen].mean() == pytest.approx(0.102, abs=0.02)
    assert y.max() < 50


def test_fewer_places_than_hidden_tokens_are_filled_to_the_last():
    ids = texts(50)
    _, places, there = map(numbers, HideTokens(50, 0.5, places=2)(ids))
    assert places.shape == (50, 2)
    half = np.round((ids != 0).sum(1) / 2)
    least = np.minimum(np.maximum(half, 1), (ids != 0).sum(1))
    assert there.sum(1).tolist() == np.minimum(least, 2).tolist()


def test_places_are_of_real_tokens_behind_the_first():
    ids = texts(300)
    places, there = map(numbers, DrawPlaces(4, first=3)(ids))
    late = (ids[:, 3:] != 0).sum(1)
    assert there.sum(1).tolist() == np.minimum(late, 4).tolist()
    rows, columns = np.nonzero(there)
    assert (places[rows, columns] >= 3).all()
    assert (ids[rows, places[rows, columns]] != 0).all()

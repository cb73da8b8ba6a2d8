"""Channels that are zero can go, and no answer changes: on every part."""

import keras
import numpy as np
import pytest
from compress.channel_toys import answers, halved, in_float64, shake, widths
from zoo import FUSIONS, TOWERS

from mmkeras import Category, Number, build_model, fusion, towers
from mmkeras.checks import classifier, fused_classifier, random_input
from mmkeras.compress import multiply_adds
from mmkeras.compress.channels import Groups
from mmkeras.spec import DataSpec

# Eleven million weights.
SLOW = {"image-resnet18"}


def samples(model, count=4):
    rng = np.random.default_rng(1)
    return {x.name: random_input(x, count, rng) for x in model.inputs}


def check_half_is_the_same(model, rtol=0.0):
    shake(model)
    small = halved(model)
    x = samples(model)
    if "present" in x:
        x["present"][0, 0] = x["present"][1, -1] = 0
    # Computed in float64: the order of a sum is not the model's.
    np.testing.assert_allclose(answers(model, x), answers(small, x), rtol)
    assert small.count_params() < model.count_params()
    assert multiply_adds(small) < multiply_adds(model)
    assert small.name == model.name
    assert [x.name for x in small.inputs] == [x.name for x in model.inputs]
    assert sorted(small.output) == sorted(model.output)
    assert list(widths(small)) == list(widths(model))
    return small


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
        for name in TOWERS
    ],
)
def test_a_tower_is_the_same_without_its_zero_channels(name):
    with in_float64():
        check_half_is_the_same(classifier(TOWERS[name]()))


@pytest.mark.parametrize("name", FUSIONS)
def test_a_fusion_is_the_same_without_its_zero_channels(name):
    with in_float64():
        fused = FUSIONS[name]()
        # A late fusion answers in float32, whatever it is given.
        rtol = 1e-6 if fused.decides else 0.0
        check_half_is_the_same(fused_classifier(fused), rtol)


SPEC = DataSpec.from_dict(
    {
        "name": "whole",
        "modalities": {
            "image": {
                "kind": "image",
                "column": "image",
                "height": 12,
                "width": 12,
                "channels": 3,
            },
            "sound": {
                "kind": "audio",
                "column": "sound",
                "optional": True,
                "sample_rate_hz": 4000,
                "duration_sec": 0.5,
            },
            "words": {
                "kind": "text",
                "column": "words",
                "optional": True,
                "max_tokens": 8,
                "vocabulary_size": 24,
            },
        },
        "targets": {
            "digit": {
                "kind": "category",
                "column": "digit",
                "classes": ["a", "b", "c"],
            },
            "rating": {"kind": "number", "column": "rating"},
        },
    }
)


def whole_model(fuse):
    return build_model(
        SPEC,
        towers={
            "image": towers.image_tower(
                12, 12, 3, "image", filters=4, depth=2, units=16
            ),
            "sound": towers.audio_tower(
                2000, 4000, "sound", width=8, depth=2, mel_bands=16, units=16
            ),
            "words": towers.text_tower(8, 24, "words", units=16),
        },
        fusion=fuse,
        heads={"digit": Category(3, dropout=0.1), "rating": Number(3.0, 2.0)},
        modality_dropout=0.1,
    )


@pytest.mark.parametrize(
    "fuse", [fusion.Concat, fusion.Gated, fusion.CrossAttention]
)
def test_a_whole_model_is_the_same_without_its_zero_channels(fuse, tmp_path):
    with in_float64():
        model = whole_model(fuse(16))
        # Heads compute in float32 whatever the policy: one rounding.
        small = check_half_is_the_same(model, rtol=5e-7)
        small.save(tmp_path / "small.keras")
        again = keras.saving.load_model(tmp_path / "small.keras")
    x = samples(model)
    np.testing.assert_array_equal(answers(small, x), answers(again, x))


def test_a_transformer_keeps_what_is_normalised_and_loses_heads():
    small = halved(classifier(TOWERS["text-transformer"]()))
    left = widths(small)
    assert left["text_tower/text_embedding"] == 16
    assert left["text_tower/text_block_0_attention"] == 8
    assert left["text_tower/text_block_0_wide"] == 32
    tower = small.get_layer("text_tower")
    assert tower.get_layer("text_block_0_attention").heads == 2


class Mean(fusion.Fusion):
    def fuse(self, features):
        vectors = [features[name]["vector"] for name in sorted(features)]
        return keras.ops.mean(keras.ops.stack(vectors), axis=0)


def test_a_fusion_that_does_not_say_keeps_the_width_of_its_towers():
    model = fused_classifier(Mean(8, name="mean"))
    groups = Groups(model)
    assert groups.follow.whole == {"mean": "Mean has no `follow_fuse`"}
    assert not groups.blocks

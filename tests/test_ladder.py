"""Students of a recipe: every width scaled, everything else as it was."""

import pytest

from mmkeras.runs import SCALES, build_from_recipe, smaller
from mmkeras.spec import DataSpec

SPEC = DataSpec.from_dict({
    "name": "toy",
    "modalities": {
        "image": {"kind": "image", "column": "image", "height": 16,
                  "width": 16, "channels": 1},
        "text": {"kind": "text", "column": "text", "max_tokens": 8,
                 "vocabulary_size": 50},
    },
    "targets": {"digit": {"kind": "category", "column": "digit",
                          "classes": ["0", "1"]}},
})  # fmt: skip
STATISTICS = {"modalities": {"text": {"vocabulary_size": 50}}, "targets": {}}
RECIPE = {
    "towers": {"image": {"units": 64, "depth": 2}},
    "fusion": {"method": "cross_attention", "units": 40},
    "training": {"batch_size": 8},
}


def test_widths_are_scaled_and_the_rest_is_kept():
    small = smaller(RECIPE, SPEC, 0.5).source
    assert small["towers"]["image"] == {
        "variant": "cnn", "units": 32, "depth": 2, "filters": 8
    }  # fmt: skip
    assert small["towers"]["text"] == {"variant": "transformer", "units": 32}
    assert small["fusion"]["method"] == "cross_attention"
    assert small["fusion"]["units"] == 16
    assert small["training"] == {"batch_size": 8}
    assert RECIPE["towers"]["image"] == {"units": 64, "depth": 2}


def test_every_rung_builds_and_is_smaller():
    sizes = [build_from_recipe(SPEC, STATISTICS, RECIPE)[0].count_params()]
    for scale in SCALES:
        small = smaller(RECIPE, SPEC, scale)
        sizes.append(
            build_from_recipe(SPEC, STATISTICS, small)[0].count_params()
        )
    assert sizes == sorted(set(sizes), reverse=True)


def test_a_resnet_becomes_a_plain_cnn():
    recipe = {"towers": {"image": {"variant": "resnet18", "pretrained": "x"}}}
    small = smaller(recipe, SPEC, 0.5).source["towers"]["image"]
    assert small == {"variant": "cnn", "units": 32, "filters": 8}


def test_a_saved_model_becomes_the_tower_of_its_kind():
    recipe = {"towers": {"image": {"model": "x.keras"}}}
    small = smaller(recipe, SPEC, 0.5).source["towers"]["image"]
    assert small == {"variant": "cnn", "units": 32, "filters": 8}


@pytest.mark.parametrize("scale, heads", [(0.5, 4), (0.25, 2), (0.125, 2)])
def test_moonshine_keeps_four_numbers_a_head(scale, heads):
    given = {"variant": "moonshine", "width": 32, "heads": 4}
    small = smaller({"towers": {"sound": given}}, SOUND, scale)
    assert small.towers["sound"].heads == heads
    build_from_recipe(SOUND, {}, small)


SOUND = DataSpec.from_dict({
    "name": "toy",
    "modalities": {
        "sound": {"kind": "audio", "column": "sound", "sample_rate_hz": 4000,
                  "duration_sec": 0.5},
    },
    "targets": {"digit": {"kind": "category", "column": "digit",
                          "classes": ["0", "1"]}},
})  # fmt: skip
SIGNALS = DataSpec.from_dict({
    "name": "toy",
    "modalities": {
        "ecg": {"kind": "series", "column": "ecg", "channels": ["a", "b"],
                "sample_rate_hz": 10, "duration_sec": 4},
        "clip": {"kind": "video", "column": "clip", "frames": 4, "height": 16,
                 "width": 16, "channels": 1},
        "ct": {"kind": "volume", "column": "ct", "depth": 4, "height": 8,
               "width": 8, "spacing_mm": [5, 1, 1], "window_low": -100,
               "window_high": 300},
    },
    "targets": {"digit": {"kind": "category", "column": "digit",
                          "classes": ["0", "1"]}},
})  # fmt: skip
WIDE = {
    "towers": {
        "ecg": {"variant": "patch_transformer", "width": 96, "heads": 6},
        "clip": {"units": 128, "frame_tower": {"variant": "resnet18"}},
    },
    "fusion": {"method": "multi_channel_attention", "groups": 16},
}


def test_series_video_and_volume():
    small = smaller(WIDE, SIGNALS, 0.25)
    assert small.source["towers"] == {
        "ecg": {"variant": "patch_transformer", "units": 16, "width": 24},
        "clip": {"variant": "gru", "units": 32,
                 "frame_tower": {"variant": "cnn", "units": 32, "filters": 8}},
        "ct": {"variant": "cnn", "units": 16, "filters": 8},
    }  # fmt: skip
    assert small.fusion.groups == 16
    assert smaller(WIDE, SIGNALS, 0.125).fusion.groups == 8
    sizes = [
        build_from_recipe(SIGNALS, {}, each)[0].count_params()
        for each in (small, smaller(WIDE, SIGNALS, 0.125))
    ]
    assert sizes[0] > sizes[1]


def test_a_hidden_layer_is_scaled_too():
    recipe = {"fusion": {"method": "mlp", "hidden": 64}}
    assert smaller(recipe, SPEC, 0.5).source["fusion"] == {
        "method": "mlp", "units": 32, "hidden": 32
    }  # fmt: skip


@pytest.mark.parametrize("scale", [0, 1, -0.5])
def test_a_scale_is_a_share(scale):
    with pytest.raises(ValueError, match="`scale` must lie between"):
        smaller(RECIPE, SPEC, scale)

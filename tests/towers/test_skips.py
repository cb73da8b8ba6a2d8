"""Feature maps beside vector and tokens: who has them, and who reads them."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest

from mmkeras import Concat, DataSpec, build_from_recipe, build_model
from mmkeras.checks import check_tower
from mmkeras.compress import prune_channels
from mmkeras.spec import TARGETS
from mmkeras.towers import as_tower, image_tower, vector_tower, volume_tower
from mmkeras.training import embedding_model, fusion_model

TINY = {"height": 12, "width": 10, "channels": 3, "units": 5, "filters": 4}
RESNET = {"height": 64, "width": 32, "channels": 1, "units": 5}
SCAN = {"depth": 6, "height": 12, "width": 10, "units": 5, "filters": 4}
MAPS = {
    "cnn": (image_tower, TINY, [(12, 10, 4), (6, 5, 8), (3, 3, 16)]),
    "mobilenet": (
        image_tower,
        {**TINY, "variant": "mobilenet"},
        [(6, 5, 4), (3, 3, 8), (2, 2, 16)],
    ),
    "vit": (
        image_tower,
        {**TINY, "variant": "vit", "depth": 1, "patch": 2, "heads": 2},
        [(6, 5, 16)],
    ),
    "resnet": (
        image_tower,
        {**RESNET, "variant": "resnet18"},
        [(16, 8, 64), (8, 4, 128), (4, 2, 256), (2, 1, 512)],
    ),
    "efficientnet": (
        image_tower,
        {**RESNET, "variant": "efficientnet"},
        [(32, 16, 16), (16, 8, 24), (8, 4, 40), (4, 2, 112), (2, 1, 1280)],
    ),
    "volume": (
        volume_tower,
        {**SCAN, "stages": 3},
        [(6, 12, 10, 4), (3, 6, 5, 8), (2, 3, 3, 16)],
    ),
    "volume-resnet": (
        volume_tower,
        {**SCAN, "variant": "resnet", "stages": 2},
        [(3, 6, 5, 4), (2, 3, 3, 8)],
    ),
}


def built(name, **more):
    make, arguments, _ = MAPS[name]
    keras.utils.set_random_seed(0)
    return make(**arguments, **more)


def drawn(tower, count=2):
    draw = np.random.default_rng(0)
    x = tower.inputs[0]
    found = draw.integers(0, 256, (count, *x.shape[1:]))
    return found.astype(x.dtype)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.slow if n == "efficientnet" else ())
        for n in MAPS
    ],
)
def test_a_tower_has_a_map_of_each_size_finest_first(name):
    tower = built(name, skips=True)
    found = tower(drawn(tower))
    shapes = [tuple(one.shape[1:]) for one in found["skips"]]
    assert shapes == MAPS[name][2]


@pytest.mark.parametrize("name", ["cnn", "vit", "volume"])
def test_what_else_a_tower_says_is_the_same_to_the_bit(name):
    with_maps, without = built(name, skips=True), built(name)
    assert "skips" not in without.output
    x, found = drawn(without), without(drawn(without))
    for key, more in with_maps(x).items():
        if key != "skips":
            np.testing.assert_array_equal(more, found[key])


@pytest.mark.parametrize("name", ["cnn", "volume"])
def test_a_tower_with_maps_keeps_the_contract(name):
    check_tower(built(name, skips=True), export=False)


def test_maps_out_of_order_break_the_contract():
    tower = built("cnn", skips=True)
    found = {**tower.output, "skips": tower.output["skips"][::-1]}
    wrong = keras.Model(tower.input, found, name=tower.name)
    with pytest.raises(ValueError, match="finest first"):
        check_tower(wrong, export=False)


@dataclass(frozen=True)
class MapMeans:
    """A head that reads the means of an image's maps, and the fused vector."""

    weight: float = 1.0
    activation = "linear"
    outputs = 1

    def __call__(self, fused, name, features=None):
        maps = features["image"]["skips"] if "image" in features else []
        means = [keras.layers.GlobalAveragePooling2D()(one) for one in maps]
        x = keras.layers.Concatenate()([fused, *means]) if means else fused
        return keras.layers.Dense(1, name=name)(x)


SPEC = {
    "name": "toy",
    "modalities": {
        "image": {
            "kind": "image", "column": "p", "height": 12, "width": 10,
            "optional": True,
        },
        "row": {"kind": "vector", "columns": ["x", "y"]},
    },
    "targets": {"size": {"kind": "number", "column": "s", "unit": "mm"}},
}  # fmt: skip


def whole(filters=8):
    keras.utils.set_random_seed(1)
    return build_model(
        DataSpec.from_dict(SPEC),
        {
            "image": image_tower(
                12, 10, 3, filters=filters, depth=2, skips=True
            ),
            "row": vector_tower(2, "row"),
        },
        Concat(8),
        {"size": MapMeans()},
    )


def batch(count=3):
    draw = np.random.default_rng(2)
    return {
        "image": draw.integers(0, 256, (count, 12, 10, 3)).astype("uint8"),
        "row": draw.normal(size=(count, 2)).astype("float32"),
        "present": np.ones((count, 1), "float32"),
    }


def test_the_maps_of_an_absent_picture_are_zeros():
    model, x = whole(), batch()
    there = model.predict(x, verbose=0)["size"]
    x["present"][1] = 0
    gone = model.predict(x, verbose=0)["size"]
    x["image"][1] = 255 - x["image"][1]
    other = model.predict(x, verbose=0)["size"]
    np.testing.assert_array_equal(other, gone)
    np.testing.assert_array_equal(gone[[0, 2]], there[[0, 2]])
    assert abs(gone[1] - there[1]) > 1e-4


def test_a_model_that_reads_maps_is_saved_and_loaded(tmp_path):
    model, x = whole(), batch()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    found = [m.predict(x, verbose=0)["size"] for m in (model, again)]
    np.testing.assert_array_equal(*found)


def test_cached_towers_keep_their_maps():
    model, x = whole(), batch()
    raw = {name: x[name] for name in ("image", "row")}
    cached = embedding_model(model).predict_on_batch(raw)
    cached["present"] = x["present"]
    found = fusion_model(model).predict_on_batch(cached)
    wanted = model.predict_on_batch(x)
    np.testing.assert_allclose(found["size"], wanted["size"], atol=1e-6)


def test_channels_are_pruned_with_the_head_that_reads_them():
    model, x = whole(16), batch()
    smaller = prune_channels(model, 0.4)
    tower = smaller.get_layer("image_tower")
    fine, coarse = (m.shape[-1] for m in tower.output["skips"])
    assert fine < 16 and coarse <= 32
    assert np.isfinite(smaller.predict(x, verbose=0)["size"]).all()


class Reader(TARGETS.known["number"]):
    """A number that is read off the maps of `image`."""

    @property
    def skips_of(self):
        return ("image",)


def reading_spec():
    spec = DataSpec.from_dict(SPEC)
    target = Reader.model_validate(SPEC["targets"]["size"])
    return spec.model_copy(update={"targets": {"size": target}})


def test_a_target_that_reads_maps_gets_them_from_the_recipe_s_tower():
    model, _ = build_from_recipe(reading_spec(), {}, {})
    tower = model.get_layer("image_tower")
    assert len(tower.output["skips"]) == 3
    plain, _ = build_from_recipe(DataSpec.from_dict(SPEC), {}, {})
    assert "skips" not in plain.get_layer("image_tower").output


def test_a_saved_tower_without_maps_is_refused_and_one_with_maps_is_not(
    tmp_path,
):
    path, recipe = tmp_path / "tower.keras", {}
    for skips in (False, True):
        image_tower(12, 10, 3, skips=skips).save(path)
        recipe = {"towers": {"image": {"model": str(path)}}}
        if skips:
            model, _ = build_from_recipe(reading_spec(), {}, recipe)
            maps = model.get_layer("image_tower").output["skips"]
            assert [m.shape[1] for m in maps] == [12, 6, 3]
        else:
            with pytest.raises(
                ValueError, match=r"towers.image.*`skips`.*`size` reads"
            ):
                build_from_recipe(reading_spec(), {}, recipe)
    assert "skips" in as_tower(keras.saving.load_model(path), "image").output

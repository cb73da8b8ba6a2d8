"""Labels that are read with their samples: places in a picture."""

import itertools
import os
from typing import ClassVar, Literal

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import mmkeras
from mmkeras.data import (
    BadSample,
    Draws,
    Reason,
    SampleIO,
    batch_augmenter,
    geometry_of,
    load_data,
    prepare,
    settings_of,
)
from mmkeras.kinds import Volume
from mmkeras.spec import DataSpec, Label, register_target, registrations

SIZE = 32  # of what is stored; files have other sizes
SPOT = 200


class Spot(mmkeras.Target):
    """Where a spot is, "x,y" in a text file, in pixels of the picture."""

    kind: Literal["spot"]
    modality: str
    dtype: ClassVar[str] = "float32"
    read_with_sample: ClassVar[bool] = True
    moved_by: ClassVar[tuple[str, ...]] = ("space",)
    headline: ClassVar[str] = "mae"
    guard: ClassVar[str] = "r2"
    training_metric: ClassVar[str] = "mae"

    @property
    def shape(self):
        return (2,)

    @property
    def reads_with(self):
        return (self.modality,)

    @property
    def moves_with(self):
        return self.modality

    def source_files(self, cells):
        return (cells[self.column],)

    def read(self, cells, io, samples):
        text = io.bytes(cells[self.column]).decode()
        try:
            place = [float(part) for part in text.split(",")]
        except ValueError:
            raise BadSample(Reason.NOT_A_NUMBER, text) from None
        if self.modality not in samples:
            return Label((0, 0), 0.0, {"without_picture": 1})
        geometry = samples[self.modality].geometry
        stored = geometry.to_stored(geometry.upright(place))
        return Label(stored.astype("float32"))

    def sums(self, label):
        return {"n": 1, "places": label.value.tolist()}

    def finish(self, sums):
        return {"mean": [p / sums["n"] for p in sums["places"]] if sums else []}

    def move(self, labels, weights, moves):
        inverse = tf.linalg.inv(moves.affine())
        ones = tf.ones_like(labels[:, :1])
        places = tf.concat([labels, ones], 1)[..., None]
        return (inverse @ places)[:, :2, 0], weights


@pytest.fixture(autouse=True)
def spot():
    with registrations():
        register_target(Spot)
        yield


def picture_with_spot(width, height, x, y, half=3):
    array = np.zeros((height, width), "uint8")
    array[y - half : y + half, x - half : x + half] = SPOT
    return Image.fromarray(array)


def centre(pixels):
    """The middle of what is bright, x first, in pixels from the corner."""
    light = pixels[..., 0].astype(float)
    y, x = np.mgrid[: light.shape[0], : light.shape[1]] + 0.5
    return np.array([(light * x).sum(), (light * y).sum()]) / light.sum()


def spec(**image):
    return DataSpec.from_dict(
        {
            "name": "spots",
            "data": {"id_column": "id", "max_bad_fraction": 0.5},
            "modalities": {
                "picture": {
                    "kind": "image", "column": "file", "height": SIZE,
                    "width": SIZE, "channels": 1, **image,
                },
            },
            "targets": {
                "spot": {"kind": "spot", "column": "place",
                         "modality": "picture"},
            },
        }
    )  # fmt: skip


def write(root, sizes=((64, 48), (48, 64), (40, 40)), count=12, **options):
    """Writes pictures of several sizes and the places of their spots."""
    rows = []
    draw = np.random.default_rng(0)
    for number, (width, height) in zip(range(count), itertools.cycle(sizes)):
        x, y = (int(draw.integers(n // 2 - 8, n // 2 + 9))
                for n in (width, height))  # fmt: skip
        picture_with_spot(width, height, x, y).save(
            root / f"{number}.png", **options
        )
        (root / f"{number}.txt").write_text(f"{x},{y}")
        rows.append({"id": f"s{number}", "file": f"{number}.png",
                     "place": f"{number}.txt"})  # fmt: skip
    return rows


def batch_of(data):
    found = [batch for batch in data.ordered("train")]
    return (
        found[0][0]["picture"].numpy(),
        found[0][1]["spot"].numpy(),
        found[0][2]["spot"].numpy(),
    )


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_places_follow_what_reading_did(tmp_path, resize):
    rows = write(tmp_path)
    found = prepare(rows, spec(resize=resize), tmp_path / "out", tmp_path, 1)
    data = load_data(tmp_path / "out", batch_size=64, augment=False)
    pixels, places, weights = batch_of(data)
    assert (weights == 1).all() and len(places) >= 6
    seen = np.array([centre(one) for one in pixels])
    assert np.abs(seen - places).max() < 0.35
    mean = found["statistics"]["targets"]["spot"]["mean"]
    assert np.allclose(mean, places.mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("turn", range(1, 9))
def test_places_of_the_file_follow_its_exif_turn(tmp_path, turn):
    exif = Image.Exif()
    exif[274] = turn
    rows = write(tmp_path, sizes=((64, 48),), exif=exif)
    prepare(rows, spec(), tmp_path / "out", tmp_path, 1)
    data = load_data(tmp_path / "out", batch_size=64, augment=False)
    pixels, places, _ = batch_of(data)
    seen = np.array([centre(one) for one in pixels])
    assert np.abs(seen - places).max() < 0.35


@pytest.mark.parametrize(
    "settings",
    [
        {"horizontal_flip": 1},
        {"translation": 0.2},
        {"rotation_degrees": 60},
        {"zoom": 0.3},
        {"crop": 0.2},
        {"horizontal_flip": 1, "translation": 0.1, "rotation_degrees": 30,
         "zoom": 0.2},
    ],
)  # fmt: skip
def test_places_move_with_their_picture(settings):
    count = 32
    pixels = np.stack(
        [np.array(picture_with_spot(SIZE, SIZE, 18, 12, 2))[..., None]] * count
    )
    labels = np.tile(np.array([[18.0, 12.0]], "float32"), (count, 1))
    given = settings_of(spec(), {"picture": settings})
    change = batch_augmenter(spec(), given)
    batch = (
        {"picture": tf.constant(pixels)},
        {"spot": tf.constant(labels)},
        {"spot": tf.ones(count)},
    )
    x, y, _ = change(batch, tf.constant(3, tf.int64))
    moved = y["spot"].numpy()
    inside = (moved > 4).all(1) & (moved < SIZE - 4).all(1)
    assert inside.sum() > count / 4 and np.ptp(moved, axis=0).max() > 2
    seen = np.array([centre(one) for one in x["picture"].numpy()[inside]])
    assert np.abs(seen - moved[inside]).max() < 0.4


def test_what_cannot_be_followed_is_refused_by_name():
    with pytest.raises(ValueError, match="rand_augment.*`spot`"):
        settings_of(spec(), {"picture": {"rand_augment": 0.5}})
    with pytest.raises(ValueError, match="mix.*`spot`"):
        settings_of(spec(), {"mix": {"mixup": 0.2}})


def test_a_wrong_label_is_quarantined_with_its_reason(tmp_path):
    rows = write(tmp_path)
    (tmp_path / "1.txt").write_text("left,right")
    rows[2]["place"] = ""
    rows[3]["place"] = "none.txt"
    found = prepare(rows, spec(), tmp_path / "out", tmp_path, 1)
    assert found["quarantined"] == {"not_a_number": 1, "not_found": 1}
    listed = (tmp_path / "out" / "quarantine.csv").read_text()
    assert 's1,spot,not_a_number,"left,right"' in listed
    data = load_data(tmp_path / "out", batch_size=64, augment=False)
    weights = np.concatenate(
        [w["spot"] for s in ("train", "validation", "test")
         for _, _, w in data.ordered(s)]
    )  # fmt: skip
    assert len(weights) == len(rows) - 2 and (weights == 0).sum() == 1


def test_a_label_without_its_modality_is_none(tmp_path):
    rows = write(tmp_path)
    given = spec(optional=True).to_dict()
    given["modalities"]["table"] = {"kind": "vector", "columns": ["n"]}
    rows = [{**row, "n": n} for n, row in enumerate(rows)]
    rows[5]["file"] = ""
    found = prepare(
        rows, DataSpec.from_dict(given), tmp_path / "out", tmp_path, 1
    )
    assert found["notes"]["spot"] == {"without_picture": 1}


def test_a_changed_label_file_makes_its_shard_anew(tmp_path):
    rows = write(tmp_path)
    prepare(rows, spec(), tmp_path / "out", tmp_path, 1)
    before = load_data(tmp_path / "out", batch_size=64, augment=False)
    ids, first = before.ids("train"), batch_of(before)[1][0].tolist()
    place = tmp_path / f"{ids[0][1:]}.txt"
    place.write_text("0,0")
    os.utime(place, (1, 1))
    prepare(rows, spec(), tmp_path / "out", tmp_path, 1)
    after = load_data(tmp_path / "out", batch_size=64, augment=False)
    assert batch_of(after)[1][0].tolist() == [0, 0]
    assert first != [0, 0]


def test_hidden_labels_have_their_facts(tmp_path):
    rows = write(tmp_path)
    prepare(rows, spec(), tmp_path / "out", tmp_path, 1)
    data = load_data(tmp_path / "out", batch_size=64, augment=False)
    few = data.with_labels(0.5)
    assert few.counts["train"] == 5
    _, places, weights = batch_of(few)
    known = few.statistics["targets"]["spot"]["mean"]
    assert np.allclose(known, places.mean(axis=0), atol=1e-4)
    assert batch_of(few.everything)[2].sum() == 5


def test_labels_larger_than_memory_are_refused_by_name(tmp_path, monkeypatch):
    rows = write(tmp_path)
    prepare(rows, spec(), tmp_path / "out", tmp_path, 1)
    data = load_data(tmp_path / "out", augment=False)
    monkeypatch.setattr(Spot, "shape", (10**5, 10**5))
    with pytest.raises(ValueError, match="`spot`, kind 'spot'"):
        data.with_labels(0.5)


def test_a_spec_names_the_modality_that_is_read_with():
    given = spec().to_dict()
    given["targets"]["spot"]["modality"] = "photo"
    with pytest.raises(ValueError, match=r"`targets.spot`.*'photo'"):
        DataSpec.from_dict(given)
    given = spec().to_dict()
    given["modalities"]["table"] = {"kind": "vector", "columns": ["n"]}
    both = DataSpec.from_dict(given)
    assert both.answers("picture") and not both.answers("table")
    with pytest.raises(ValueError, match="modality of a target"):
        both.only("table")


def test_voxels_say_where_they_came_from(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    voxels = np.zeros((20, 18, 16), "float32")  # x, y, z
    voxels[12:14, 5:7, 9:11] = 100
    image = nibabel.Nifti1Image(voxels, np.diag([2.0, 2.0, 2.0, 1]))
    nibabel.save(image, tmp_path / "a.nii")
    scan = Volume(
        kind="volume", column="v", depth=12, height=14, width=10,
        spacing_mm=[3, 2, 4], window_low=0, window_high=100,
    )  # fmt: skip
    sample = scan.read({"v": "a.nii"}, SampleIO(str(tmp_path)))
    light = sample.value[..., 0].astype(float) + 32768
    z, y, x = np.mgrid[:12, :14, :10] + 0.5
    seen = [(light * axis).sum() / light.sum() for axis in (x, y, z)]
    assert sample.geometry.size == (20, 18, 16)
    place = sample.geometry.to_stored([13, 6, 10])
    assert np.abs(np.array(seen) - place).max() < 0.1
    assert np.allclose(sample.geometry.to_source(place), [13, 6, 10])


def test_a_volume_hands_on_how_it_was_moved():
    scan = Volume(
        kind="volume", column="v", depth=8, height=16, width=16,
        spacing_mm=[1, 1, 1], window_low=0, window_high=100,
    )  # fmt: skip
    off = dict.fromkeys(scan.augmentations, 0)
    settings = {**off, "horizontal_flip": 1, "vertical_flip": 1,
                "depth_flip": 1, "rotation_degrees": 40}  # fmt: skip
    volumes = np.zeros((16, 8, 16, 16, 1), "float32")
    volumes[:, 2:4, 4:7, 9:12] = 100
    draws = Draws(tf.constant(5, tf.int64), 0)
    light = scan.augment(settings)(tf.constant(volumes), draws).numpy()[..., 0]
    inverse = np.linalg.inv(draws.moves.affine(axes=3).numpy())
    moved = (inverse @ [10.5, 5.5, 3, 1])[:, :3]
    z, y, x = np.mgrid[:8, :16, :16] + 0.5
    for volume, place in zip(light, moved, strict=True):
        seen = [(volume * axis).sum() / volume.sum() for axis in (x, y, z)]
        assert np.abs(np.array(seen) - place).max() < 0.3


@pytest.mark.parametrize("rule", ["stretch", "crop", "pad"])
def test_a_mask_is_laid_and_comes_back(rule):
    """Half of a picture, in its own pixels and in stored ones."""
    geometry = geometry_of((60, 40), (24, 24), rule)
    half = np.zeros((40, 60), "uint8")
    half[:, 30:] = 1
    stored = geometry.lay(half, fill=255)
    assert stored.shape == (24, 24) and {*np.unique(stored)} <= {0, 1, 255}
    assert (stored[12, :12] != 1).all() and (stored[12, 12:] == 1).all()
    assert (stored == 255).any() == (rule == "pad")
    back = geometry.undo(stored, fill=7)
    assert back.shape == half.shape
    cut = back == 7
    assert cut.any() == (rule == "crop")
    assert np.array_equal(back[~cut], half[~cut])


def test_the_contract_reads_labels_with_their_samples(tmp_path):
    rows = write(tmp_path, count=3)
    beside = dict(spec().modalities)
    target = spec().targets["spot"]
    clauses = ("head", "figures", "answers", "device")  # it has no head
    found = mmkeras.check_kind(
        target, rows, tmp_path, skip=clauses, beside=beside
    )
    assert found["labels"] == found["facts"] == found["table"] == "kept"
    with pytest.raises(ValueError, match="`beside`.*'picture'"):
        mmkeras.check_kind(target, rows, tmp_path, skip=clauses)

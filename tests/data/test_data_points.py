"""Clouds of points: every format, what is damaged, and which are kept."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from data.data_toys import make_spec, read_cell
from data.point_toys import (
    COLUMNS,
    cloud,
    formats,
    las,
    lines,
    npy,
    npz,
    packed_pcd,
    pcd,
    ply,
)
from PIL import Image

import mmkeras
from mmkeras.checks import check_kind
from mmkeras.data import BadSample, SampleIO, augmenter, settings_of
from mmkeras.kinds import Points
from mmkeras.spec import SeenColumn

pytest.importorskip("laspy")
pytest.importorskip("trimesh")
pytest.importorskip("pypcd4")
CLOUD = cloud()
# Real files, each of the same 213 points.
CLOUDS = Path(__file__).parent / "clouds"
FORMATS = formats(CLOUD)
TABLE = {"kind": "points", "column": "x", "columns": COLUMNS, "points": 256}


def spec(**changes) -> Points:
    return Points(**{**TABLE, **changes})


def sample(folder, raw: bytes, name="cloud", **changes):
    (folder / name).write_bytes(raw)
    return spec(**changes).read({"x": name}, SampleIO(str(folder)))


def there(value: np.ndarray) -> np.ndarray:
    return value[np.isfinite(value[:, 0])]


def ordered(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(points.T)]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_points(tmp_path, name):
    """Under a name that tells nothing."""
    found = sample(tmp_path, FORMATS[name])
    assert found.value.shape == (256, 4) and found.value.dtype == np.float32
    np.testing.assert_array_equal(ordered(there(found.value)), ordered(CLOUD))
    assert found.notes == {"clouds_filled_up": 1, "missing_points": 56}


@pytest.mark.parametrize("compress", [False, True], ids=["las", "laz"])
def test_surveys_have_their_own_numbers(tmp_path, compress):
    found = there(sample(tmp_path, las(CLOUD, compress)).value)
    wanted = np.c_[np.round(CLOUD[:, :3], 4), np.round(CLOUD[:, 3] * 1000)]
    assert len(found) == 200
    np.testing.assert_allclose(
        ordered(found)[:, :3], ordered(wanted)[:, :3], atol=2e-4
    )
    assert set(found[:, 3]) == set(wanted[:, 3].astype("float32"))


@pytest.mark.parametrize("name", ["ascii", "binary", "binary_compressed"])
def test_clouds_that_others_wrote(tmp_path, name):
    """PCL's sample as pypcd4 tests with it (BSD, see `clouds/LICENSE.txt`)."""
    raw = (CLOUDS / f"{name}.pcd").read_bytes()
    columns = ["x", "y", "z", "rgb"]
    found = there(sample(tmp_path, raw, columns=columns, points=213).value)
    assert len(found) == 213
    np.testing.assert_allclose(found.min(0)[:2], [-0.95526, -0.31546])
    np.testing.assert_allclose(found.max(0)[:2], [0.99185, 0.35641])
    assert (found[:, 3] > 4e6).all() and not found[:, 2].any()


LIES = npy(CLOUD).replace(b"(200, 4)", b"(999, 4)")
FULL = cloud(70_000)
FAULTS = {
    "half a point": (CLOUD.tobytes()[:-3], "truncated"),
    "fewer than the header": (pcd(CLOUD)[:-16], "truncated"),
    "fewer lines": (pcd(CLOUD, "ascii")[:3000], "truncated"),
    "no end of the header": (pcd(CLOUD)[:120], "truncated"),
    "half an array": (LIES, "truncated"),
    "half a survey": (las(CLOUD)[:-9], "truncated"),
    "half a packed survey": (las(CLOUD, True)[:-300], "corrupt"),
    "half a packed cloud": (packed_pcd(CLOUD)[:-9], "corrupt"),
    "half a mesh": (ply(CLOUD)[:-9], "corrupt"),
    "half a zip": (npz(points=CLOUD)[:-9], "corrupt"),
    "a last line cut": (b"1 2 3 4\n1 2", "truncated"),
    "words": (b"1 2 3 4\n1 2 3 high\n", "corrupt"),
    "nothing": (b"", "empty"),
    "a header alone": (b"x,y,z,intensity\n", "empty"),
    "no place at all": (np.full((9, 4), np.nan, "<f4").tobytes(), "empty"),
    "another column": (b"x,y,z,power\n1,2,3,4\n", "bad_header"),
    "five columns": (npy(np.ones((9, 5), "f4")), "bad_header"),
    "several arrays": (npz(a=CLOUD, b=CLOUD), "bad_header"),
    "an object": (npy(np.array(["a"])), "bad_header"),
    "noise": (
        np.random.default_rng(0).bytes(16 * 400), "wrong_format",
    ),
    "too many": (
        pcd(CLOUD).replace(b"POINTS 200", b"POINTS 999999999"), "too_large",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_damaged_has_a_reason(tmp_path, fault):
    raw, reason = FAULTS[fault]
    with pytest.raises(BadSample) as error:
        sample(tmp_path, raw)
    assert error.value.reason == reason


@pytest.mark.parametrize(
    "offset, size", [(107, 4), (100, 4), (96, 4), (235, 8), (243, 4)]
)
@pytest.mark.parametrize("compress", [False, True], ids=["las", "laz"])
def test_no_number_of_a_survey_is_believed(tmp_path, compress, offset, size):
    """laspy would read on for hours, and lazrs end the process."""
    import laspy

    file = io.BytesIO()
    made = laspy.create(point_format=6, file_version="1.4")
    made.x = made.y = made.z = np.arange(9.0)
    made.write(file, do_compress=compress)
    raw = bytearray(file.getvalue())
    raw[offset : offset + size] = b"\xff" * size
    if compress:
        start = int.from_bytes(raw[96:100], "little")
        if start < len(raw):
            table = int.from_bytes(raw[start : start + 8], "little")
            raw[table + 4 : table + 8] = b"\xff" * 4
    try:
        sample(tmp_path, bytes(raw), columns=["x", "y", "z"])
    except BadSample:
        return
    # The points of older versions, and a place of records that are none.
    assert offset in (107, 235) and not compress


def test_floats_and_lines_have_the_columns_of_the_spec(tmp_path):
    """nuScenes has a fifth, and some files have z first."""
    values = np.c_[CLOUD, np.arange(200)].astype("<f4")
    names = ["x", "y", "z", "intensity", "ring"]
    found = sample(
        tmp_path, values.tobytes(), file_columns=names,
        columns=["x", "y", "z", "ring"],
    )  # fmt: skip
    assert set(there(found.value)[:, 3]) == set(range(200))


def test_a_place_that_is_none_is_left_out_and_counted(tmp_path):
    values = CLOUD.copy()
    values[:7, 1], values[9, 3] = np.nan, np.inf
    found = sample(tmp_path, values.tobytes())
    assert len(there(found.value)) == 193
    assert found.notes["points_without_a_place"] == 7
    assert found.notes["values_not_finite"] == 1
    assert np.isnan(there(found.value)[:, 3]).sum() == 1


def test_the_box_and_the_voxels(tmp_path):
    raw = FULL.tobytes()
    box = [0, -2, -1, 4, 2, 1]
    found = sample(tmp_path, raw, crop_m=box, voxel_m=0.5, points=1000)
    kept = there(found.value)
    assert (kept[:, :3] >= box[:3]).all() and (kept[:, :3] <= box[3:]).all()
    inside = ((FULL[:, :3] >= box[:3]) & (FULL[:, :3] <= box[3:])).all(1).sum()
    cells = np.unique(np.floor(kept[:, :3] / 0.5), axis=0)
    assert len(cells) == len(kept) == 8 * 8 * 4
    assert found.notes["points_outside"] == len(FULL) - inside
    assert found.notes["points_merged"] == inside - len(kept)
    # Of one point it would be 0.25, of the mean of nine it is a third.
    middle = np.abs(kept[:, :3] / 0.5 % 1 - 0.5)
    assert middle.mean() < 0.12


@pytest.mark.parametrize(
    "keys", [{}, {"seed": 5}, {"sampling": "even"}], ids=str
)
def test_too_many_points_are_thinned_alike_each_time(tmp_path, keys):
    found = [
        sample(tmp_path, FULL.tobytes(), points=500, **keys) for _ in range(2)
    ]
    np.testing.assert_array_equal(found[0].value, found[1].value)
    notes = {"clouds_thinned": 1, "points_left_out": 69_500}
    assert found[0].notes == notes
    # A fair choice: the mean of 500 is within 4 standard errors.
    apart = np.abs(found[0].value[:, :3].mean(0) - FULL[:, :3].mean(0))
    assert (apart < 4 * FULL[:, :3].std() / 500**0.5).all()
    other = sample(tmp_path, FULL.tobytes(), points=500, seed=9)
    assert not np.array_equal(other.value, found[0].value)


def test_neighbours_in_the_order_are_neighbours_in_space(tmp_path):
    value = sample(tmp_path, FULL.tobytes(), points=4096).value
    step = np.linalg.norm(np.diff(value[:, :3], axis=0), axis=1)
    shuffled = np.random.default_rng(0).permutation(value)
    apart = np.linalg.norm(np.diff(shuffled[:, :3], axis=0), axis=1)
    assert step.mean() < 0.25 * apart.mean()


@pytest.mark.parametrize("how, farthest", [("center", None), ("unit", 1.0)])
def test_normalised_in_double_precision(tmp_path, how, farthest):
    """Coordinates of a survey are millions of metres from their origin."""
    far = CLOUD.astype(float) + [500_000, 5_000_000, 100, 0]
    found = there(sample(tmp_path, npy(far), normalise=how).value)[:, :3]
    wanted = CLOUD[:, :3] - CLOUD[:, :3].mean(0)
    if farthest:
        wanted = wanted / np.linalg.norm(wanted, axis=1).max()
        assert np.linalg.norm(found, axis=1).max() == pytest.approx(1, rel=1e-6)
    np.testing.assert_allclose(ordered(found), ordered(wanted), atol=1e-6)


WRONG = {
    "columns": (["x", "z", "y"], "must begin with"),
    "crop_m": ([0, 0, 0, 1, -1, 1], "must be the least"),
    "file_columns": (["x", "y", "z"], "must have all of"),
    "points": (0, "greater than 0"),
    "voxel_m": (0.0, "greater than 0"),
    "normalise": ("whole", "none"),
}


@pytest.mark.parametrize("key", WRONG)
def test_a_wrong_key_is_refused(key):
    value, words = WRONG[key]
    with pytest.raises(ValueError, match=words):
        spec(**{key: value})


@pytest.mark.parametrize("name", ["kitti", "npy", "npz", "pcd", "pcd ascii"])
def test_the_kind_keeps_its_contract_and_the_device_reads_alike(tmp_path, name):
    rows = []
    for seed in range(3):
        (tmp_path / f"{seed}").write_bytes(formats(cloud(90, seed))[name])
        rows.append({"x": f"{seed}"})
    keys = {"points": 64, "crop_m": [-4, -4, -4, 4, 4, 4], "voxel_m": 0.1}
    # The tower is in the zoo.
    check_kind(spec(**keys), rows, tmp_path, export=False, skip=("tower",))


def changed(settings, columns=COLUMNS, seed=1):
    values = np.broadcast_to(cloud(50)[:, : len(columns)], (64, 50, 4)).copy()
    values[:, 40:] = np.nan
    table = {**TABLE, "columns": columns, "points": 50}
    one = make_spec(modalities={"one": table})
    change = augmenter(one, settings_of(one, {"one": settings}))
    return values, change({"one": tf.constant(values)}, seed)["one"].numpy()


OFF = dict.fromkeys(Points.augmentations, 0)


def test_a_cloud_is_turned_about_its_vertical_axis():
    before, after = changed({**OFF, "rotation_degrees": 30})
    np.testing.assert_array_equal(before[..., 2:], after[..., 2:])
    angle = np.arctan2(after[..., 1], after[..., 0])
    angle -= np.arctan2(before[..., 1], before[..., 0])
    degrees = (np.degrees(angle[:, :40]) + 180) % 360 - 180
    assert np.ptp(degrees, axis=1).max() < 1e-2, "a cloud turns as a whole"
    assert np.abs(degrees).max() < 30.01 and np.ptp(degrees[:, 0]) > 30


def test_velocities_turn_with_their_points():
    names = ("x", "y", "z", "intensity")
    before, plain = changed({**OFF, "rotation_degrees": 30}, names)
    values = np.c_[cloud(50)[:, :3], cloud(50)[:, :2]][None]
    table = {**TABLE, "columns": ["x", "y", "z", "vx", "vy"], "points": 50}
    one = make_spec(modalities={"one": table})
    settings = {**OFF, "rotation_degrees": 30, "horizontal_flip": 1}
    change = augmenter(one, settings_of(one, {"one": settings}))
    for seed in range(4):
        found = change({"one": tf.constant(values)}, seed)["one"].numpy()
        np.testing.assert_allclose(found[..., :2], found[..., 3:], rtol=1e-5)


def test_points_are_scaled_jittered_and_dropped():
    before, after = changed({**OFF, "scale": 0.2})
    factor = after[..., :3] / before[..., :3]
    assert np.nanmin(factor) > 0.8 and np.nanmax(factor) < 1.2
    assert np.nanmax(np.ptp(factor[:, :40], axis=(1, 2))) < 1e-5
    before, after = changed({**OFF, "jitter_std": 0.1})
    noise = (after - before)[:, :40]
    assert np.std(noise[..., :3]) == pytest.approx(0.1, rel=0.1)
    assert not noise[..., 3].any()
    before, after = changed({**OFF, "point_dropout": 0.8})
    lost = np.isnan(after[:, :40]).all(axis=2)
    assert np.array_equal(lost, np.isnan(after[:, :40]).any(axis=2))
    assert lost.mean() == pytest.approx(0.4, abs=0.1) and not lost[:, 0].any()
    assert np.isnan(after[:, 40:]).all(), "what is no point stays none"


def test_a_report_shows_it_from_above(tmp_path):
    values = np.array([[9, 0, 0, 0], [0, 9, 5, 0], [0, 0, 1, 0]], "<f4")
    modality = spec(points=4)
    value = sample(tmp_path, values.tobytes(), points=4).value
    shown = modality.show(value, None)
    assert shown["text"] == "3 of 4 points, from above"
    raw = base64.b64decode(shown["picture"].split(",")[1])
    pixels = np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))
    lit = np.argwhere(pixels.max(axis=2) > 60)
    # Ahead is up, left is left.
    assert sorted(map(tuple, lit.tolist())) == [(0, 159), (159, 0), (159, 159)]
    numbers = modality.profile(value, None).numbers
    assert numbers["points"] == 3 and numbers["nearest"] == 1
    near = [modality.fingerprint(v, None) for v in (cloud(99), cloud(99) * 2)]
    assert np.array_equal(near[0].places, near[1].places)


def test_a_column_of_clouds_is_recognised():
    for name in ("kitti", "pcd", "pcd ascii", "pcd packed"):
        seen = SeenColumn("x", ["a"], {"a": FORMATS[name]})
        guess = Points.recognise(seen)
        assert guess.keys == {"columns": list(COLUMNS), "points": 200}, name
    for raw in (FORMATS["npy"], FORMATS["csv"], b"\x89PNG\r\n" * 80, b""):
        assert Points.recognise(SeenColumn("x", ["a"], {"a": raw})) is None


def test_arrays_in_memory_are_clouds(tmp_path):
    names = {}

    def keep(suffix, raw):
        (tmp_path / f"kept{suffix}").write_bytes(raw)
        return names.setdefault(suffix, f"kept{suffix}")

    modality = spec()
    assert modality.cell_from("x", CLOUD.tolist(), keep) == "kept.npy"
    np.testing.assert_allclose(
        ordered(there(read_cell(modality, tmp_path, "kept.npy"))),
        ordered(CLOUD),
    )
    assert modality.cell_from("x", FORMATS["pcd"], keep) == "kept.pcd"
    with pytest.raises(ValueError, match="must be \\(points, 4\\)"):
        modality.cell_from("x", CLOUD[:, :3], keep)


def test_pillars_need_a_box():
    options = Points.tower_options().read({"variant": "pillars", "cells": 8})
    with pytest.raises(ValueError, match="`crop_m` must say"):
        spec().build("cloud", {}, options)
    tower = spec(crop_m=[0, 0, 0, 8, 8, 8]).build("cloud", {}, options)
    points = np.full((2, 256, 4), np.nan, "float32")
    points[0, 0] = [0.5, 0.5, 1, 1]
    points[1, :2] = [[7.9, 0.1, 1, 1], [0.1, 7.9, 1, 1]]
    mask = tower(points)["mask"].numpy()
    assert mask.shape == (2, 1) and mask.all()
    fine = Points.tower_options().read(
        {"variant": "pillars", "cells": 8, "stages": 1}
    )
    tower = spec(crop_m=[0, 0, 0, 8, 8, 8]).build("cloud", {}, fine)
    mask = tower(points)["mask"].numpy().reshape(2, 4, 4)
    assert [np.argwhere(m).tolist() for m in mask] == [
        [[0, 0]],
        [[0, 3], [3, 0]],
    ]


def test_lines_of_another_separator(tmp_path):
    for separator in (",", ";", "\t", "   "):
        found = sample(tmp_path, lines(CLOUD, separator).encode())
        assert len(there(found.value)) == 200, separator
    assert mmkeras.points_tower(16, 3).output["tokens"].shape[1] == 1

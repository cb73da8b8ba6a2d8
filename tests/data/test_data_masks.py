"""Masks: what is read of their files, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from mmkeras.data import BadSample, Geometry, Reason, SampleIO, prepare
from mmkeras.spec import DataSpec, Sample

WIDTH, HEIGHT = 12, 8
PICTURE = {"kind": "image", "column": "x", "height": HEIGHT, "width": WIDTH,
           "channels": 1}  # fmt: skip
SCAN = {"kind": "volume", "column": "x", "depth": 4, "height": 6,
        "width": 8, "spacing_mm": [1, 1, 1], "window_low": 0,
        "window_high": 100}  # fmt: skip


def spec(view=None, optional=False, **target):
    given = {
        "kind": "mask", "column": "mask", "modality": "view",
        "classes": ["heart"], **target,
    }  # fmt: skip
    modalities = {"view": {**(view or PICTURE), "optional": optional},
                  "age": {"kind": "vector", "columns": ["age"]}}  # fmt: skip
    return DataSpec.from_dict(
        {"name": "toy", "modalities": modalities, "targets": {"heart": given}}
    )


def half(dtype="uint8", value=255):
    found = np.zeros((HEIGHT, WIDTH), dtype)
    found[:, WIDTH // 2 :] = value
    return found


def read(tmp_path, made, geometry=None, **target):
    """Reads a mask of a picture that was stored as it is."""
    name = "mask.bin"
    if isinstance(made, bytes):
        (tmp_path / name).write_bytes(made)
    elif isinstance(made, np.ndarray):
        with open(tmp_path / name, "wb") as file:
            np.save(file, made)
    else:
        made.save(tmp_path / name, "PNG")
    size = (WIDTH, HEIGHT)
    geometry = geometry or Geometry(size, size, (1.0, 1.0), (0.0, 0.0))
    samples = {"view": Sample(None, {}, geometry)}
    found = spec(**target).targets["heart"]
    return found.read({"mask": name}, SampleIO(str(tmp_path)), samples)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Image.fromarray(half()),
        lambda: Image.fromarray(half(value=1)),
        lambda: Image.fromarray(half()).convert("1"),
        lambda: Image.fromarray(half()).convert("RGB"),
        lambda: Image.fromarray(half("uint16", 1)),
        lambda: half("bool", True),
        lambda: half("float32", 1),
        lambda: half("int64", 255)[..., None],
    ],
)
def test_files_of_one_class(tmp_path, make):
    label = read(tmp_path, make())
    assert np.array_equal(label.value, half(value=1))
    assert label.weight == 1 and label.notes == {}


def test_a_palette_holds_its_indices(tmp_path):
    picture = Image.fromarray(half(value=2), "L").convert("L")
    palette = Image.fromarray(half(value=2)).copy()
    palette = palette.convert("P")
    palette.putdata(list(half(value=2).ravel()))
    palette.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    label = read(tmp_path, palette, classes=["a", "b"])
    assert {*np.unique(label.value)} == {0, 2} and picture.mode == "L"


def test_values_background_and_what_is_unknown(tmp_path):
    made = half(value=200)
    made[0], made[1] = 7, 50
    label = read(
        tmp_path, made, classes=["a", "b"], values=[200, 50], background=0,
        unknown=7,
    )  # fmt: skip
    assert (label.value[0] == 255).all() and (label.value[1] == 2).all()
    assert (label.value[2:, WIDTH // 2 :] == 1).all()


@pytest.mark.parametrize(
    ("make", "reason", "detail"),
    [
        (lambda: half()[:, 1:], "wrong_size", "11x8, its picture has 12x8"),
        (lambda: half(value=3), "bad_label", "48 pixels of 3"),
        (lambda: half("float32", 0.5), "bad_label", "no whole numbers"),
        (lambda: np.zeros((2, 2, 2, 2), "uint8"), "wrong_size", "4 axes"),
        (lambda: np.array(["a"]), "wrong_format", "no numbers"),
        (lambda: b"not a mask", "wrong_format", "is none of"),
        (lambda: b"\x93NUMPYcut", "corrupt", "mask.bin"),
    ],
)
def test_what_is_no_mask_has_a_reason(tmp_path, make, reason, detail):
    with pytest.raises(BadSample, match=detail) as error:
        read(tmp_path, make())
    assert error.value.reason == Reason(reason)


def test_a_picture_with_loss_is_no_mask(tmp_path):
    Image.fromarray(half()).save(tmp_path / "m.jpg")
    with pytest.raises(BadSample, match="without loss"):
        read(tmp_path, (tmp_path / "m.jpg").read_bytes())


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_a_mask_of_the_file_or_of_what_is_seen(tmp_path, turn):
    """Drawn over the file as it lies, or upright: both are told by size."""
    file = half()[:, :WIDTH]
    upright = (WIDTH, HEIGHT) if turn < 5 else (HEIGHT, WIDTH)
    geometry = Geometry(upright, upright, (1.0, 1.0), (0.0, 0.0), turn)
    found = read(tmp_path, file, geometry).value
    want = {1: file, 3: file, 6: np.rot90(file, -1), 8: np.rot90(file)}[turn]
    assert np.array_equal(found, want > 0)


def test_a_mask_follows_how_its_picture_was_made_to_fit(tmp_path):
    (tmp_path / "x").mkdir()
    pixels = np.zeros((40, 60), "uint8")
    pixels[10:30, 30:] = 255
    rows = []
    for number in range(6):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append({"x": f"{number}.png", "mask": f"{number}.png", "age": 1})
    for rule in ("stretch", "crop", "pad"):
        given = spec({**PICTURE, "resize": rule})
        found = prepare(rows, given, tmp_path / rule, tmp_path, 1)
        share = found["statistics"]["targets"]["heart"]["shares"]["heart"]
        # A quarter is marked; a cut picture shows more of its middle.
        assert share == pytest.approx(0.25, abs=0.03)
        mean = found["statistics"]["targets"]["heart"]["mean_mask"]
        assert np.shape(mean) == (1, HEIGHT * WIDTH)
    assert (tmp_path / "pad" / "manifest.json").is_file()


def test_rows_that_are_wrong_are_counted(tmp_path):
    rows = []
    for number in range(24):
        Image.fromarray(half()).save(tmp_path / f"{number}.png")
        rows.append({"x": f"{number}.png", "mask": f"{number}.png", "age": 1})
    Image.fromarray(half(value=9)).save(tmp_path / "odd.png")
    Image.fromarray(half()[1:]).save(tmp_path / "small.png")
    rows[0]["mask"], rows[1]["mask"], rows[2]["mask"] = (
        "odd.png",
        "small.png",
        "",
    )
    rows[3]["x"] = ""
    given = spec(optional=True).to_dict()
    given["data"] = {"max_bad_fraction": 0.5}
    found = prepare(
        rows, DataSpec.from_dict(given), tmp_path / "out", tmp_path, 2
    )
    assert found["quarantined"] == {"bad_label": 1, "wrong_size": 1}
    assert found["notes"]["heart"] == {"without_picture": 1}


def test_voxels_of_nifti_lie_as_their_scan(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    marked = np.zeros((8, 6, 4), "uint8")
    marked[6:, :, 1] = 1
    turned = np.diag([-1.0, 1.0, 1.0, 1.0])  # x to the left
    for name, affine, array in (
        ("scan.nii", np.eye(4), marked * 100.0),
        ("mask.nii", turned, marked[::-1]),
    ):
        image = nibabel.Nifti1Image(array.astype("float32"), affine)
        nibabel.save(image, tmp_path / name)
    given = spec(SCAN)
    io = SampleIO(str(tmp_path))
    sample = given.modalities["view"].read({"x": "scan.nii"}, io)
    label = given.targets["heart"].read(
        {"mask": "mask.nii"}, io, {"view": sample}
    )
    assert np.array_equal(label.value == 1, sample.value[..., 0] > 0)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"modality": "age"}, "must be an image or a volume"),
        ({"classes": ["a", "a"]}, "each once"),
        ({"classes": ["a", "b"], "values": [1]}, "a number for each"),
        ({"values": [0]}, "must differ"),
        ({"unknown": 1}, "must differ"),
    ],
)
def test_a_wrong_spec_is_refused(target, message):
    with pytest.raises(ValueError, match=message):
        spec(**target)

"""Pictures of any size on the device, and masks in their own pixels."""

import numpy as np
import pytest
from export.export_toys import reader
from PIL import Image

from mmkeras.data import decode_file
from mmkeras.kinds import Image as ImageSpec
from mmkeras.kinds import Mask

HEIGHT, WIDTH = 12, 16
RULES = ("stretch", "crop", "pad")


def spec(rule, channels=3):
    return ImageSpec(
        kind="image", column="c", height=HEIGHT, width=WIDTH,
        channels=channels, resize=rule,
    )  # fmt: skip


def entry(rule, channels=3):
    return {"name": "view", "shape": [HEIGHT, WIDTH, channels],
            "resize": rule}  # fmt: skip


def picture(width, height, mode="RGB"):
    ramp = np.add.outer(np.arange(height) * 3, np.arange(width) * 2)
    noise = np.random.default_rng(width).integers(0, 60, ramp.shape)
    array = np.stack([ramp + noise, ramp[::-1], 255 - ramp], -1)
    array = array.astype("uint8")
    return Image.fromarray(array).convert(mode)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize(
    "size", [(40, 30), (33, 51), (9, 7), (16, 90), (201, 12), (17, 13)]
)
def test_another_size_is_read_as_at_ingest(tmp_path, rule, suffix, size):
    path = tmp_path / f"a.{suffix}"
    picture(*size).save(path)
    found = reader(ImageSpec).read(str(path), entry(rule))
    np.testing.assert_array_equal(found, decode_file(spec(rule), path))


def test_a_turned_jpeg_is_read_as_at_ingest(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "a.jpg"
    picture(40, 30, "L").save(path, exif=exif)
    found = reader(ImageSpec).read(str(path), entry("pad", 1))
    np.testing.assert_array_equal(found, decode_file(spec("pad", 1), path))
    assert reader(ImageSpec).place(str(path), entry("pad", 1)).size == (30, 40)


@pytest.mark.parametrize("rule", ["refuse", None])
def test_another_size_is_refused_where_the_spec_says_so(tmp_path, rule):
    path = tmp_path / "a.png"
    picture(40, 30).save(path)
    with pytest.raises(ValueError, match=r"\[12, 16, 3\].*\[30, 40, 3\]"):
        reader(ImageSpec).read(str(path), entry(rule))


def test_other_channels_are_refused_at_any_size(tmp_path):
    path = tmp_path / "a.png"
    picture(40, 30, "L").save(path)
    with pytest.raises(ValueError, match=r"\[12, 16, 3\].*\[30, 40, 1\]"):
        reader(ImageSpec).read(str(path), entry("stretch"))


@pytest.mark.parametrize("rule", RULES)
def test_the_answer_is_in_the_pixels_of_the_picture(tmp_path, rule):
    path = tmp_path / "a.png"
    picture(40, 20).save(path)
    placed = reader(ImageSpec).place(str(path), entry(rule))
    whole = np.zeros((20, 40), "uint8")
    whole[5:15, 10:30] = 1
    output = placed.lay(whole, 0)[..., None].astype("float32")
    told = {"classes": ["spot"], "modality": "view", "size": [HEIGHT, WIDTH]}
    code = reader(Mask)
    assert code.shape(told) == [HEIGHT, WIDTH, 1]
    found = code.answer(output, {**told, "placed": {"view": placed}})
    assert found["size"] == [20, 40]
    rows, columns = found["classes"]["spot"]["bounds"]
    # As exactly as a stored pixel is wide, two to three of the picture.
    assert np.abs(np.subtract(rows, [5, 14])).max() <= 2
    assert np.abs(np.subtract(columns, [10, 29])).max() <= 2
    values, lengths = zip(*found["runs"], strict=True)
    back = np.repeat(values, lengths).reshape(found["size"])
    assert back.mean() == pytest.approx(0.25, abs=0.06)
    assert found["classes"]["spot"]["share"] == pytest.approx(back.mean())
    alone = code.answer(output, told)
    assert alone["size"] == [HEIGHT, WIDTH]


def test_several_classes_and_none():
    told = {"classes": ["a", "b"], "modality": "v", "size": [2, 2]}
    output = np.eye(3, dtype="float32")[np.array([[0, 0], [2, 2]])]
    found = reader(Mask).answer(output, told)
    assert found["runs"] == [[0, 2], [2, 2]]
    assert found["classes"]["a"] == {"share": 0.0, "bounds": None}
    assert found["classes"]["b"]["bounds"] == [[1, 1], [0, 1]]

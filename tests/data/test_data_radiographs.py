"""A 2-D DICOM file is a picture, seen through a window."""

import io
from pathlib import Path

import numpy as np
import pytest
from data.picture_toys import read, spec
from data.signal_toys import PATIENT, body, dicom_bytes

from mmkeras.data import BadSample

pydicom = pytest.importorskip("pydicom")
# Stored values 0 to 4095, 12 of 16 bits, as a detector writes them.
RAMP = np.linspace(0, 4095, 16).reshape(4, 4).round().astype(np.int16)
PLAIN = {
    "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0,
    "RescaleSlope": None, "RescaleIntercept": None,
}  # fmt: skip


def grey(**values):
    return spec(channels=1, **values)


def radiograph(pixels=RAMP, **tags) -> bytes:
    """A CR: no place in the body, no axes, no thickness."""
    nowhere = ("ImagePositionPatient", "ImageOrientationPatient")
    gone = dict.fromkeys((*nowhere, "SliceThickness", "PixelSpacing"))
    return dicom_bytes(pixels, **{**gone, **PLAIN, **tags})


def shades(values, low, high):
    return np.clip((values - low) / (high - low), 0, 1) * 255


@pytest.mark.parametrize("name", ["a.dcm", "a.png", "IM0001"])
def test_the_window_of_the_spec_is_used(name):
    modality = grey(window_low=1000, window_high=3000)
    found, notes = read(modality, radiograph(), name)
    expected = shades(RAMP, 1000, 3000)
    np.testing.assert_allclose(found[..., 0], expected, atol=0.51)
    assert notes == {}


def test_a_window_is_in_the_units_of_the_file():
    raw = radiograph(RescaleSlope=2, RescaleIntercept=-1000)
    found, _ = read(grey(window_low=0, window_high=4000), raw)
    expected = shades(2.0 * RAMP - 1000, 0, 4000)
    np.testing.assert_allclose(found[..., 0], expected, atol=0.51)


def test_without_one_the_file_is_asked_and_it_is_said():
    raw = radiograph(WindowCenter=[2000, 5], WindowWidth=[1000, 9])
    found, notes = read(grey(), raw)
    # DICOM PS3.3 C.11.2.1.2: from c - 0.5 - (w - 1) / 2.
    expected = shades(RAMP, 1999.5 - 499.5, 1999.5 + 499.5)
    np.testing.assert_allclose(found[..., 0], expected, atol=0.51)
    assert notes == {"window_of_file": 1}


def test_without_any_window_least_and_largest_are_the_ends():
    found, notes = read(grey(), radiograph(RAMP // 4))
    np.testing.assert_allclose(
        found[..., 0], shades(RAMP // 4, 0, 1023), atol=0.51
    )
    assert notes == {"window_of_values": 1}
    assert (read(grey(), radiograph(0 * RAMP))[0] == 0).all()


def test_where_less_is_brighter_it_is_turned():
    raw = radiograph(PhotometricInterpretation="MONOCHROME1")
    found, _ = read(grey(window_low=0, window_high=4095), raw)
    expected = 255 - shades(RAMP, 0, 4095)
    np.testing.assert_allclose(found[..., 0], expected, atol=0.51)


def test_a_table_of_the_file_is_a_window():
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    table = Dataset()
    table.LUTDescriptor = [4096, 0, 12]
    values = np.arange(4096)[::-1].astype("<u2")
    table.add_new("LUTData", "OW", values.tobytes())
    raw = radiograph(VOILUTSequence=Sequence([table]))
    found, notes = read(grey(), raw)
    expected = 255 - shades(RAMP, 0, 4095)
    np.testing.assert_allclose(found[..., 0], expected, atol=0.51)
    assert notes == {"window_of_file": 1}


def test_of_several_frames_the_first_is_taken():
    raw = radiograph(np.stack([RAMP, 0 * RAMP]), NumberOfFrames=2)
    found, notes = read(grey(window_low=0, window_high=4095), raw)
    np.testing.assert_allclose(found[..., 0], shades(RAMP, 0, 4095), atol=0.51)
    assert notes == {"first_frame_only": 1}


FILES = Path(pydicom.__file__).parent / "data/test_files"
GREY = [
    "693_J2KI.dcm", "CT_small.dcm", "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm", "J2K_pixelrep_mismatch.dcm", "examples_overlay.dcm",
    "image_dfl.dcm", "dicomdirtests/77654033/CR1/6154",
    "dicomdirtests/77654033/CR2/6247", "dicomdirtests/77654033/CR3/6278",
]  # fmt: skip


@pytest.mark.parametrize("name", GREY)
def test_a_real_file_is_what_pydicom_shows(name):
    raw = (FILES / name).read_bytes()
    data = pydicom.dcmread(io.BytesIO(raw))
    values = pydicom.pixels.apply_modality_lut(data.pixel_array, data)
    low, high = values.min(), values.max()
    if "WindowCenter" in data:
        values = pydicom.pixels.apply_windowing(values, data)
        ends = np.array([-1e9, 1e9])
        low, high = pydicom.pixels.apply_windowing(ends, data)
    expected = shades(values, low, high)
    if data.PhotometricInterpretation == "MONOCHROME1":
        expected = 255 - expected
    size = {"height": data.Rows, "width": data.Columns}
    found, _ = read(grey(**size), raw)
    np.testing.assert_allclose(found[..., 0], expected, atol=0.51)


COLOUR = [
    "ExplVR_BigEnd.dcm", "SC_jpeg_no_color_transform.dcm",
    "SC_rgb_dcmtk_+eb+cy+n2.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm",
    "SC_rgb_jpeg.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_rle_2frame.dcm",
    "SC_rgb_small_odd.dcm", "SC_rgb_small_odd_big_endian.dcm",
    "SC_ybr_full_422_uncompressed.dcm", "examples_jpeg2k.dcm",
    "examples_rgb_color.dcm", "examples_ybr_color.dcm",
]  # fmt: skip


# pydicom warns of a file that is not written as its header says.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", COLOUR)
def test_a_real_file_in_colour_is_what_pydicom_shows(name):
    raw = (FILES / name).read_bytes()
    data = pydicom.dcmread(io.BytesIO(raw))
    expected = pydicom.pixels.pixel_array(data)
    frames = int(data.get("NumberOfFrames") or 1)
    expected = expected[0] if frames > 1 else expected
    size = {"height": data.Rows, "width": data.Columns}
    found, notes = read(spec(**size), raw)
    np.testing.assert_array_equal(found, expected)
    assert notes == ({"first_frame_only": 1} if frames > 1 else {})


def test_a_palette_is_looked_up():
    raw = (FILES / "examples_palette.dcm").read_bytes()
    data = pydicom.dcmread(io.BytesIO(raw))
    expected = pydicom.pixels.apply_color_lut(data.pixel_array, data) >> 8
    found, notes = read(spec(height=350, width=800), raw)
    np.testing.assert_array_equal(found, expected)
    assert notes == {"reduced_to_8_bit": 1}


def real(name: str) -> bytes:
    return (FILES / name).read_bytes()


@pytest.mark.parametrize(
    "raw, message",
    [
        (lambda: real("reportsi.dcm"), "empty: .* a report, an index"),
        (lambda: real("rtplan.dcm"), "empty: .* a report, an index"),
        (lambda: real("waveform_ecg.dcm"), "empty: .* a report, an index"),
        (lambda: real("MR_truncated.dcm"), "truncated: .*8,130 of 8,192"),
        (lambda: real("liver_1frame.dcm"), "bad_header: .*1 of 1 bits"),
        (
            lambda: radiograph(ImageType=["ORIGINAL", "PRIMARY", "MOSAIC"]),
            "wrong_format: .* a mosaic of slices, which is a volume",
        ),
        (
            lambda: radiograph(PhotometricInterpretation="HSV"),
            "wrong_format: .* neither grey, RGB, YBR nor a palette",
        ),
        (lambda: radiograph(Rows=60000, Columns=60000), "too_large"),
        (lambda: radiograph(Rows=9000, Columns=9000), "too_large.*64,000,000"),
        (lambda: radiograph()[:-4], "truncated"),
        (lambda: radiograph(PixelData=None), "empty"),
        (lambda: bytes(128) + b"DICM" + bytes(60), "bad_header"),
    ],
)
def test_what_is_no_picture_is_refused_without_a_tag(raw, message):
    with pytest.raises(BadSample, match=message) as caught:
        read(grey(), raw())
    for value in PATIENT.values():
        assert value not in str(caught.value)


@pytest.mark.parametrize("start", [None, b"\1\2\3\4"])
def test_the_length_of_the_meta_information_may_be_missing_or_wrong(start):
    raw = radiograph()
    length = b"" if start is None else raw[132:140] + start
    found, _ = read(
        grey(window_low=0, window_high=4095), raw[:132] + length + raw[144:]
    )
    np.testing.assert_allclose(found[..., 0], shades(RAMP, 0, 4095), atol=0.51)


def test_a_jpeg_inside_that_was_cut_is_refused():
    import warnings

    from pydicom.encaps import encapsulate, generate_frames

    data = pydicom.dcmread(FILES / "SC_rgb_jpeg_dcmtk.dcm")
    (frame,) = generate_frames(data.PixelData, number_of_frames=1)
    kept = frame[: len(frame) // 2].rstrip(b"\xff") + b"\xff\xd9"
    for jpeg, whole in ((frame, True), (kept, False)):
        data.PixelData = encapsulate([jpeg])
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data.save_as(file)
        if whole:
            assert read(spec(), file.getvalue())[1] == {}
            continue
        with pytest.raises(BadSample, match="truncated: .* a JPEG without"):
            read(spec(), file.getvalue())


def test_half_a_window_or_one_upside_down_is_refused():
    for keys in ({"window_low": 1}, {"window_low": 5, "window_high": 5}):
        with pytest.raises(ValueError, match="`window_low` must be below"):
            grey(**keys)


def test_a_slice_of_a_ct_is_a_picture_too():
    found, notes = read(
        grey(window_low=-1000, window_high=-300, height=8, width=10),
        dicom_bytes(body()[5]),
    )
    expected = shades(body()[5] - 1000.0, -1000, -300)
    np.testing.assert_allclose(found[..., 0], expected, atol=0.51)
    assert notes == {}

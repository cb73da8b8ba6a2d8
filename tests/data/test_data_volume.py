"""Scans: DICOM and NIfTI, turned, resampled, cut and windowed."""

from pathlib import Path

import numpy as np
import pytest
from data.data_toys import read_cell
from data.signal_toys import body, dicom_bytes, nifti_bytes, write_dicom_folder

from mmkeras.data import BadSample, SampleIO, decode_file, to_model
from mmkeras.kinds import Volume

pytest.importorskip("nibabel")
pytest.importorskip("pydicom")
volume = Volume.part("read")
SHUFFLED = [3, 0, 5, 2, 4, 1]


def spec(**changes) -> Volume:
    values = {
        "kind": "volume", "column": "x", "depth": 6, "height": 8, "width": 10,
        "spacing_mm": [3, 2, 1], "window_low": -1000, "window_high": 2000,
    }  # fmt: skip
    return Volume(**{**values, **changes})


def read(folder, name, **changes) -> np.ndarray:
    modality = spec(**changes)
    return to_model(modality, read_cell(modality, folder, name))[..., 0]


def read_scan(folder, name):
    return volume.read_scan(SampleIO(str(folder)), name)


def test_every_format_gives_the_same_body(tmp_path):
    (tmp_path / "x.nii").write_bytes(nifti_bytes(body()))
    (tmp_path / "x.nii.gz").write_bytes(nifti_bytes(body(), compress=True))
    write_dicom_folder(tmp_path / "scan", body(), SHUFFLED)
    for name in ("x.nii", "x.nii.gz", "scan"):
        found = read(tmp_path, name)
        np.testing.assert_allclose(found, body(), atol=0.03, err_msg=name)
        again = decode_file(spec(), tmp_path / name)
        np.testing.assert_allclose(again[..., 0], found, atol=1e-6)


def test_levels_are_fine_whatever_the_unit():
    for low, high in ((-1000, 2000), (0, 1), (-1e-3, 5e-3)):
        modality = spec(window_low=low, window_high=high)
        levels = np.array([-32768, 0, 32767], np.int16)
        found = to_model(modality, levels)
        middle = (low + high) / 2
        np.testing.assert_allclose(
            found, [low, middle, high], atol=(high - low) / 60_000
        )


def test_other_axes_are_turned_to_those_of_the_body(tmp_path):
    import nibabel

    straight = nibabel.Nifti1Image.from_bytes(nifti_bytes(body()))
    for axes in ("LPS", "SAR", "PIR", "IAL"):
        turns = nibabel.orientations.axcodes2ornt(axes)
        (tmp_path / "x.nii").write_bytes(
            straight.as_reoriented(
                nibabel.orientations.ornt_transform(
                    nibabel.io_orientation(straight.affine), turns
                )
            ).to_bytes()
        )
        found = read(tmp_path, "x.nii")
        np.testing.assert_allclose(found, body(), atol=0.03, err_msg=axes)


def test_sagittal_slices_are_turned_as_well(tmp_path):
    (tmp_path / "scan").mkdir()
    for x in range(10):
        # Rows run to inferior, columns to posterior, slices to the left.
        plane = body()[::-1, ::-1, x] + 1000
        raw = dicom_bytes(
            plane,
            place=(-x, 0, 0),
            spacing=(3, 2),
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        )
        (tmp_path / "scan" / f"{x}").write_bytes(raw)
    np.testing.assert_allclose(read(tmp_path, "scan"), body(), atol=0.03)


def test_a_smaller_scan_is_surrounded_a_larger_one_cut(tmp_path):
    (tmp_path / "x.nii").write_bytes(nifti_bytes(body()))
    found = read(tmp_path, "x.nii", depth=8, height=4, width=12)
    inside = found[1:-1, :, 1:-1]
    np.testing.assert_allclose(inside, body()[:, 2:6], atol=0.03)
    assert (found[[0, -1]] == -1000).all()
    assert (found[:, :, [0, -1]] == -1000).all()


def test_values_outside_the_window_are_cut_to_its_ends(tmp_path):
    (tmp_path / "x.nii").write_bytes(nifti_bytes(body()))
    found = read(tmp_path, "x.nii", window_low=100, window_high=300)
    np.testing.assert_allclose(found, np.clip(body(), 100, 300), atol=0.01)


@pytest.mark.parametrize("spacing", [[3, 1, 0.5], [1, 2, 1], [6, 4, 2]])
def test_a_ramp_stays_a_ramp_at_another_spacing(tmp_path, spacing):
    ramp = body(12, 16, 20)
    (tmp_path / "x.nii").write_bytes(nifti_bytes(ramp))
    shape = dict(zip(("depth", "height", "width"), (4, 4, 6)))
    found = read(tmp_path, "x.nii", spacing_mm=spacing, **shape)
    ways = [np.arange(n) - (n - 1) / 2 for n in (4, 4, 6)]
    steps = np.divide(spacing, [3, 2, 1]) * [100, 10, 1]
    centre = ramp.mean()
    z, y, x = np.ix_(*[way * step for way, step in zip(ways, steps)])
    np.testing.assert_allclose(found, centre + z + y + x, atol=1)


def test_what_larger_voxels_cannot_hold_is_blurred_away(tmp_path):
    stripes = np.zeros((8, 8, 40), np.int16)
    stripes[..., ::2] = 1000
    (tmp_path / "x.nii").write_bytes(nifti_bytes(stripes, (1.0, 1.0, 1.0)))
    found = read(tmp_path, "x.nii", spacing_mm=[1, 1, 4], width=6)
    assert np.ptp(found[1:5]) < 60


def real(name: str) -> Path:
    import pydicom

    return Path(pydicom.__file__).parent / "data" / "test_files" / name


def test_a_real_ct_is_in_hounsfield_units_and_in_order():
    import pydicom

    folder = real("dicomdirtests/98892001/CT5N")
    scan = read_scan(folder.parent, folder.name)
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    files.sort(key=lambda file: file.ImagePositionPatient[2])
    expected = [file.pixel_array - 1024.0 for file in files]
    found = scan.voxels * scan.slope + scan.intercept
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(
        scan.axes,
        [[0, 0, -0.48828], [0, -0.48828, 0], [2.5, 0, 0]],
        atol=1e-4,
    )


@pytest.mark.parametrize(
    "name",
    [
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_expb.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_padded.dcm",
    ],
)
def test_a_real_slice_is_the_same_in_every_transfer_syntax(name):
    import pydicom

    expected = pydicom.dcmread(real("MR_small.dcm")).pixel_array
    scan = read_scan(real(""), name)
    np.testing.assert_array_equal(scan.voxels, expected[None])


def test_a_real_file_of_many_frames_is_one_scan():
    import pydicom

    for name in ("rtdose.dcm", "rtdose_rle.dcm"):
        scan = read_scan(real(""), name)
        expected = pydicom.dcmread(real(name)).pixel_array
        np.testing.assert_array_equal(scan.voxels, expected)
        sides = np.linalg.norm(scan.axes, axis=0)
        np.testing.assert_allclose(sides, [5, 10, 10])


def test_enhanced_frames_lie_where_their_groups_say(tmp_path):
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    def group(keyword, **tags):
        inner = Dataset()
        for key, value in tags.items():
            setattr(inner, key, value)
        outer = Dataset()
        setattr(outer, keyword, Sequence([inner]))
        return outer

    frames = [
        group("PlanePositionSequence", ImagePositionPatient=[0, 0, 3 * z])
        for z in SHUFFLED
    ]
    shared = group("PixelMeasuresSequence", PixelSpacing=[2.0, 1.0])
    raw = dicom_bytes(
        body()[SHUFFLED, ::-1, ::-1] + 1000,
        NumberOfFrames=6,
        PixelSpacing=None,
        ImagePositionPatient=None,
        PerFrameFunctionalGroupsSequence=Sequence(frames),
        SharedFunctionalGroupsSequence=Sequence([shared]),
    )
    (tmp_path / "x.dcm").write_bytes(raw)
    np.testing.assert_allclose(read(tmp_path, "x.dcm"), body(), atol=0.03)


@pytest.mark.parametrize("name", ["anatomical.nii", "standard.nii.gz"])
def test_a_real_nifti_is_what_nibabel_reads(name):
    import nibabel
    from nibabel.testing import data_path

    scan = read_scan(data_path, name)
    voxels, spacing = volume.oriented(scan, name)
    image = nibabel.as_closest_canonical(nibabel.load(Path(data_path, name)))
    expected = image.get_fdata().reshape(voxels.shape[::-1])
    found = voxels * scan.slope + scan.intercept
    np.testing.assert_allclose(found, expected.transpose(2, 1, 0))
    np.testing.assert_allclose(spacing[::-1], image.header.get_zooms()[:3])


def test_slices_of_their_own_scale_become_one(tmp_path):
    (tmp_path / "pet").mkdir()
    for z in range(6):
        raw = dicom_bytes(
            np.full((8, 10), 10),
            place=(0, 0, 3 * z),
            RescaleSlope=z + 1,
            RescaleIntercept=0,
        )
        (tmp_path / "pet" / f"{z}.dcm").write_bytes(raw)
    found = read(tmp_path, "pet")
    np.testing.assert_allclose(found[:, 4, 5], 10 * np.arange(1, 7), atol=0.03)


def folder_of(path: Path, changes: dict, count: int = 4) -> None:
    """Writes slices, one of which (number 2) is changed."""
    path.mkdir()
    for z in range(count):
        tags = {"place": (0, 0, 3 * z), **(changes if z == 2 else {})}
        pixels = tags.pop("pixels", body()[0])
        (path / f"{z}.dcm").write_bytes(dicom_bytes(pixels, **tags))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"SeriesInstanceUID": "1.2.9"}, "slices of different series"),
        ({"pixels": body()[0, :4]}, "slices of different size"),
        ({"spacing": (2, 2)}, "slices of different orientation or spacing"),
        ({"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}, "different orient"),
        ({"place": (0, 0, 7)}, "4 slices at uneven or unknown distances"),
        ({"place": (0, 0, 3)}, "4 slices at uneven or unknown distances"),
        ({"place": (30, 0, 6)}, "4 slices that are not above each other"),
        ({"ImagePositionPatient": None}, "file 3 of 4: no ImagePosition"),
        ({"PixelSpacing": None}, "file 3 of 4: no PixelSpacing"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "impossible axes"),
    ],
)
def test_slices_that_are_no_scan_are_refused(tmp_path, changes, message):
    folder_of(tmp_path / "scan", changes)
    with pytest.raises(BadSample, match=f"bad_header: 'scan'.*{message}"):
        read(tmp_path, "scan")


def test_a_tall_scan_with_a_rounded_orientation_is_straight(tmp_path):
    """Three decimals make axes of 0.9993 and a normal that is no unit."""
    (tmp_path / "scan").mkdir()
    c, s = round(np.cos(0.612), 3), round(np.sin(0.612), 3)
    across, down = np.array([c, s, 0]), np.array([0, 0, -1])
    normal = np.cross(across, down)
    assert abs(np.linalg.norm(normal) - 1) > 6e-4
    for z in range(40):
        place = (40 * z * normal / np.linalg.norm(normal)).round(3)
        raw = dicom_bytes(
            body()[0],
            place=tuple(place),
            spacing=(0.5, 0.5),
            ImageOrientationPatient=[*across, *down],
        )
        (tmp_path / "scan" / f"{z}.dcm").write_bytes(raw)
    assert np.isfinite(read(tmp_path, "scan")).all()


def test_slices_of_a_tilted_gantry_are_refused(tmp_path):
    (tmp_path / "scan").mkdir()
    for z in range(4):
        raw = dicom_bytes(body()[0], place=(0, 2 * z, 3 * z))
        (tmp_path / "scan" / f"{z}.dcm").write_bytes(raw)
    with pytest.raises(BadSample, match="not above each other, as with a"):
        read(tmp_path, "scan")


def test_no_file_of_a_folder_is_read_from_outside_the_root(tmp_path):
    import os

    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    folder_of(outside, {})
    os.symlink(outside, root / "linked")
    for name in ("one", "fifo", "nested"):
        folder_of(root / name, {})
    os.symlink(outside / "0.dcm", root / "one" / "Zofia.dcm")
    os.mkfifo(root / "fifo" / "Zofia.dcm")
    (root / "nested" / "Zofia").mkdir()
    descriptors = len(os.listdir("/proc/self/fd"))
    for name, reason in (
        ("linked", "path_outside"),
        ("../outside", "path_outside"),
        (str(outside), "path_invalid"),
        ("one", "path_outside: 'one', file 5 of 5"),
        ("fifo", "not_a_file: 'fifo', file 5 of 5"),
        ("nested", "not_a_file: 'nested', file 5 of 5"),
        ("nowhere", "not_found"),
        ("one/0.dcm/inner", "not_a_file"),
    ):
        with pytest.raises(BadSample, match=reason) as caught:
            read_scan(root, name)
        assert "Zofia" not in str(caught.value)
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_folder_of_too_many_files_or_bytes_is_refused(tmp_path, monkeypatch):
    folder_of(tmp_path / "scan", {})
    monkeypatch.setattr(volume, "MAX_FILES", 3)
    with pytest.raises(BadSample, match="too_large.*more than 3 files"):
        read_scan(tmp_path, "scan")
    monkeypatch.setattr(volume, "MAX_FILES", 4)
    monkeypatch.setattr("mmkeras.data.files.scan_folder.MAX_BYTES", 2000)
    with pytest.raises(BadSample, match="too_large.*more than 2,000 bytes"):
        read_scan(tmp_path, "scan")


@pytest.mark.parametrize(
    "package, name", [("pydicom", "scan"), ("nibabel", "x.nii")]
)
def test_a_missing_package_is_named_with_its_extra(
    tmp_path, monkeypatch, package, name
):
    import sys

    folder_of(tmp_path / "scan", {})
    (tmp_path / "x.nii").write_bytes(nifti_bytes(body()))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=r"install mmkeras\[medical\]") as e:
        read(tmp_path, name)
    assert not isinstance(e.value, BadSample)


def test_a_window_upside_down_is_refused():
    with pytest.raises(ValueError, match="`window_low` must be below"):
        spec(window_low=5, window_high=5)

"""Scans as people have them: neighbours, mosaics, thin slices, odd headers."""

import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from data.signal_toys import body, dicom_bytes, nifti_bytes, write_dicom_folder

from mmkeras.data import BadSample, SampleIO, to_model
from mmkeras.kinds import Volume

nibabel = pytest.importorskip("nibabel")
pydicom = pytest.importorskip("pydicom")
FILES = Path(pydicom.__file__).parent / "data/test_files"
MOSAICS = Path(nibabel.__file__).parent / "nicom/tests/data"
SCANS = Path(nibabel.__file__).parent / "tests/data"


def spec(**changes) -> Volume:
    values = {
        "kind": "volume", "column": "x", "depth": 6, "height": 8, "width": 10,
        "spacing_mm": [3, 2, 1], "window_low": -1000, "window_high": 2000,
    }  # fmt: skip
    return Volume(**{**values, **changes})


def read(folder, name, **changes) -> tuple[np.ndarray, dict]:
    """Returns voxels in the units of the window, and notes."""
    modality = spec(**changes)
    found = modality.read({"x": name}, SampleIO(str(folder)))
    return to_model(modality, found.value)[..., 0], found.notes


def read_raw(folder, raw: bytes, name="x", **changes):
    (folder / name).write_bytes(raw)
    return read(folder, name, **changes)


STRAIGHT = np.diag([1.0, 2.0, 3.0, 1.0])


def image_of(voxels, told: bool = True) -> bytes:
    """Returns `(x, y, z[, t])` of 1 x 2 x 3 mm as a NIfTI, oriented if told."""
    image = nibabel.Nifti1Image(voxels, STRAIGHT)
    if not told:
        image.set_qform(None, 0)
        image.set_sform(None, 0)
    return image.to_bytes()


BODY = body().transpose(2, 1, 0)


class TestThin:
    """A scan thinner than one voxel of the view."""

    @pytest.mark.parametrize(
        "depth, spacing", [(16, 4), (15, 4), (1, 10), (2, 10)]
    )
    def test_one_slice_is_centred_in_a_deep_view(
        self, tmp_path, depth, spacing
    ):
        raw = dicom_bytes(body()[0, ::-1, ::-1] + 1000, SliceThickness=2)
        found, notes = read_raw(
            tmp_path, raw, depth=depth, spacing_mm=[spacing, 2, 1]
        )
        middle = found[depth // 2]
        np.testing.assert_allclose(middle, body()[0], atol=0.03)
        rest = np.delete(found, depth // 2, axis=0)
        assert (rest == -1000).all()
        even = depth % 2 == 0
        assert notes == ({"thin_and_centred": 1} if even else {})

    def test_whichever_axis_it_is(self, tmp_path):
        for axis in range(3):
            thin = np.take(BODY, [2], axis).astype(np.int16)
            raw = image_of(thin)
            view = {
                "spacing_mm": [6, 6, 6],
                "depth": 4,
                "height": 4,
                "width": 4,
            }
            found, notes = read_raw(tmp_path, raw, **view)
            seen = np.take(found, 2, 2 - axis)
            assert (seen > -1000).any()
            assert (np.delete(found, 2, 2 - axis) == -1000).all()
            assert notes == {"thin_and_centred": 1}

    def test_slices_as_thick_as_the_view_need_no_moving(self, tmp_path):
        raw = nifti_bytes(body(2))
        found, notes = read_raw(tmp_path, raw, depth=4, spacing_mm=[6, 2, 1])
        assert notes == {}
        assert ((found > -1000).any(axis=(1, 2)) == [0, 1, 1, 0]).all()


class TestFolder:
    """DICOM slices and what lies beside them."""

    def test_neighbours_are_passed_over_and_counted(self, tmp_path):
        scan = tmp_path / "scan"
        write_dicom_folder(scan, body(), [3, 0, 5, 2, 4, 1])
        neighbours = {
            "DICOMDIR": (FILES / "dicomdirtests/DICOMDIR"),
            "report.dcm": FILES / "reportsi.dcm",
            "plan.dcm": FILES / "rtplan.dcm",
            "ecg.dcm": FILES / "waveform_ecg.dcm",
        }
        for name, path in neighbours.items():
            raw = path.read_bytes() if path.is_file() else b"index"
            (scan / name).write_bytes(raw)
        texts = {
            "notes.txt": b"Zofia\n", "view.jpg": b"\xff\xd8\xff",
            "LOCKFILE": b"", ".DS_Store": bytes(9), "big.avi": b"RIFF",
            "README": "Größe\n".encode(), "a.nii.gz": b"\x1f\x8b",
        }  # fmt: skip
        for name, raw in texts.items():
            (scan / name).write_bytes(raw)
        found, notes = read(tmp_path, "scan")
        np.testing.assert_allclose(found, body(), atol=0.03)
        assert notes == {"neighbours_ignored": 11}
        (sentence,) = spec().tell(notes, 1)
        assert "11 files passed over that lie beside slices" in sentence

    def test_slices_without_a_suffix_have_neighbours_too(self, tmp_path):
        scan = tmp_path / "scan"
        write_dicom_folder(scan, body())
        for path in sorted(scan.iterdir()):
            path.rename(scan / f"IM{path.stem}")
        (scan / "VERSION").write_bytes(b"PACS 4.2\r\n")
        (scan / "index.html").write_bytes(b"<html>")
        found, notes = read(tmp_path, "scan")
        np.testing.assert_allclose(found, body(), atol=0.03)
        assert notes == {"neighbours_ignored": 2}

    @pytest.mark.parametrize(
        "name, raw, reason",
        [
            ("9.dcm", b"a text", "wrong_format"),
            ("9.dcm", bytes(4000), "wrong_format"),
            ("9.DCM", b"", "empty"),
            ("9.dcm", dicom_bytes(body()[0])[:500], "empty"),
            ("9.dcm", dicom_bytes(body()[0])[:-9], "truncated"),
        ],
    )
    def test_a_broken_slice_is_no_neighbour(self, tmp_path, name, raw, reason):
        write_dicom_folder(tmp_path / "scan", body())
        (tmp_path / "scan" / name).write_bytes(raw)
        with pytest.raises(BadSample, match=f"{reason}: 'scan', file 7 of 7"):
            read(tmp_path, "scan")

    def test_slices_named_by_numbers_are_watched_as_well(self, tmp_path):
        scan = tmp_path / "scan"
        write_dicom_folder(scan, body())
        for path in sorted(scan.iterdir()):
            path.rename(scan / f"1.2.840.{path.stem}")
        (scan / "1.2.840.99").write_bytes(bytes(2000))
        with pytest.raises(BadSample, match="wrong_format: 'scan', file 7 of"):
            read(tmp_path, "scan")

    def test_a_folder_without_an_image_is_refused(self, tmp_path):
        (tmp_path / "empty").mkdir()
        (tmp_path / "text").mkdir()
        (tmp_path / "text/a.txt").write_bytes(b"x")
        (tmp_path / "reports").mkdir()
        for name in ("reportsi.dcm", "test-SR.dcm"):
            raw = (FILES / name).read_bytes()
            (tmp_path / "reports" / name).write_bytes(raw)
        for name, message in (
            ("empty", "empty: 'empty': no DICOM file"),
            ("text", "empty: 'text': no DICOM file"),
            ("reports", "empty: 'reports': no image among 2 DICOM files"),
        ):
            with pytest.raises(BadSample, match=message):
                read(tmp_path, name)

    @pytest.mark.parametrize("step", [0.625, 1.25, 0.33])
    def test_places_may_be_rounded_to_a_tenth(self, tmp_path, step):
        (tmp_path / "scan").mkdir()
        tall = body(40)
        for z in range(40):
            place = (0, 0, round(z * step - 3, 1))
            raw = dicom_bytes(tall[z, ::-1, ::-1] + 1000, place=place)
            (tmp_path / "scan" / f"{z}.dcm").write_bytes(raw)
        view = {"depth": 40, "spacing_mm": [step, 2, 1], "window_high": 9000}
        found, notes = read(tmp_path, "scan", **view)
        # 100 from slice to slice; a step off by 1/400 is 5 after 20 slices.
        np.testing.assert_allclose(found, tall, atol=15)
        assert notes == {}

    @pytest.mark.parametrize("gone", [1, 7, 18])
    @pytest.mark.parametrize("step", [0.33, 3])
    def test_a_missing_slice_is_not_rounding(self, tmp_path, step, gone):
        (tmp_path / "scan").mkdir()
        for z in set(range(20)) - {gone}:
            place = (0, 0, round(z * step, 1))
            raw = dicom_bytes(body()[0], place=place)
            (tmp_path / "scan" / f"{z}.dcm").write_bytes(raw)
        with pytest.raises(BadSample, match="19 slices at uneven"):
            read(tmp_path, "scan")

    def test_values_that_a_table_stands_for_are_refused(self, tmp_path):
        colour = dicom_bytes(
            body()[0], PhotometricInterpretation="PALETTE COLOR"
        )
        with pytest.raises(BadSample, match="wrong_format: .* in colour"):
            read_raw(tmp_path, colour)


class TestMosaic:
    """A Siemens mosaic holds the slices side by side."""

    # nibabel calls its own DICOM readers experimental.
    @pytest.mark.filterwarnings("ignore::UserWarning")
    @pytest.mark.parametrize("number", [0, 1000])
    def test_a_real_one_is_what_nibabel_unpacks(self, tmp_path, number):
        from nibabel.nicom.dicomwrappers import wrapper_from_data

        packed = (MOSAICS / f"siemens_dwi_{number}.dcm.gz").read_bytes()
        data = pydicom.dcmread(io.BytesIO(gzip.decompress(packed)))
        # nibabel ships it without its pixels, which are all 0.
        pixels = np.random.default_rng(0).integers(0, 4096, (896, 896), "<u2")
        data.PixelData = pixels.tobytes()
        file = io.BytesIO()
        data.save_as(file)
        raw, wrapper = file.getvalue(), wrapper_from_data(data)
        # From DICOM's axes to those of NIfTI: left and posterior turn.
        affine = np.diag([-1, -1, 1, 1]) @ wrapper.affine
        image = nibabel.Nifti1Image(wrapper.get_data(), affine)
        straight = nibabel.as_closest_canonical(image)
        expected = straight.get_fdata().transpose(2, 1, 0)
        view = dict(zip(("depth", "height", "width"), expected.shape))
        found, notes = read_raw(
            tmp_path, raw,
            spacing_mm=straight.header.get_zooms()[::-1],
            window_low=0, window_high=4096, **view,
        )  # fmt: skip
        np.testing.assert_allclose(found, expected, atol=0.1)
        assert notes == {} and found.std() > 1000

    def test_without_its_private_header_it_is_refused(self, tmp_path):
        raw = dicom_bytes(body()[0], ImageType=["ORIGINAL", "MOSAIC"])
        message = "wrong_format: .* a mosaic whose private header does not"
        with pytest.raises(BadSample, match=message):
            read_raw(tmp_path, raw)


class TestNifti:
    """Headers and files that nibabel reads too."""

    @pytest.mark.parametrize("parts", [2, 50])
    def test_several_gzip_parts_are_one_file(self, tmp_path, parts):
        raw = nifti_bytes(body())
        size = -(-len(raw) // parts)
        pieces = [raw[i : i + size] for i in range(0, len(raw), size)]
        packed = b"".join(gzip.compress(piece) for piece in pieces)
        assert gzip.decompress(packed) == raw
        for more in (b"", bytes(100)):
            found, notes = read_raw(tmp_path, packed + more, "x.nii.gz")
            np.testing.assert_allclose(found, body(), atol=0.03)
            assert notes == {}
        with pytest.raises(BadSample, match="truncated"):
            read_raw(tmp_path, b"".join(map(gzip.compress, pieces[:-1])))
        bad = packed[:-8] + bytes(8)
        with pytest.raises(BadSample, match="corrupt"):
            read_raw(tmp_path, bad)

    def test_its_name_does_not_matter(self, tmp_path):
        for name in ("x", "x.img", "x.dcm", "x.nii", "x.nii.gz"):
            for squeeze in (False, True):
                raw = nifti_bytes(body(), compress=squeeze)
                found, _ = read_raw(tmp_path, raw, name)
                np.testing.assert_allclose(found, body(), atol=0.03)
        found, _ = read_raw(tmp_path, dicom_bytes(body()[0]), "x.nii")
        assert found[3].max() > -1000

    def test_without_orientation_it_is_nibabels_guess_and_said(self, tmp_path):
        raw = image_of(BODY, told=False)
        found, notes = read_raw(tmp_path, raw)
        straight = nibabel.as_closest_canonical(
            nibabel.Nifti1Image.from_bytes(raw)
        )
        expected = straight.get_fdata().transpose(2, 1, 0)
        np.testing.assert_allclose(found, expected, atol=0.03)
        np.testing.assert_allclose(found, body()[..., ::-1], atol=0.03)
        assert notes == {"orientation_guessed": 1}
        (sentence,) = spec().tell(notes, 3)
        assert "1 of 3 NIfTI files tell no orientation" in sentence

    @pytest.mark.parametrize("form", ["qform", "sform"])
    def test_one_form_is_enough(self, tmp_path, form):
        image = nibabel.Nifti1Image(BODY, STRAIGHT)
        image.set_qform(STRAIGHT, int(form == "qform"))
        image.set_sform(STRAIGHT, int(form == "sform"))
        found, notes = read_raw(tmp_path, image.to_bytes())
        np.testing.assert_allclose(found, body(), atol=0.03)
        assert notes == {}

    @pytest.mark.parametrize("slope", [1, -2, 0.5])
    def test_a_background_that_is_no_number_is_outside(self, tmp_path, slope):
        values = BODY.astype(np.float32) + 5
        values[:4] = np.nan
        values[-1, -1, -1] = np.inf
        raw = bytearray(image_of(values / slope))
        struct.pack_into("<2f", raw, 112, slope, -5)
        found, notes = read_raw(tmp_path, bytes(raw))
        assert (found[..., :4] == -1000).all()
        assert found[-1, -1, -1] == 2000
        np.testing.assert_allclose(
            found[:-1, ..., 5:], body()[:-1, ..., 5:], atol=0.03
        )
        assert notes == {"voxels_filled": 4 * 8 * 6 + 1}

    def test_nothing_but_no_numbers_is_refused(self, tmp_path):
        values = np.full((4, 4, 4), np.nan, np.float32)
        with pytest.raises(BadSample, match="not_finite: 'x': no number"):
            read_raw(tmp_path, image_of(values))

    @pytest.mark.parametrize("squeeze", [False, True])
    def test_a_frame_is_chosen_of_several(self, tmp_path, squeeze):
        film = np.stack([BODY, BODY + 50, BODY + 90], axis=-1)
        raw = image_of(film)
        raw = gzip.compress(raw) if squeeze else raw
        for frame, more in enumerate((0, 50, 90)):
            found, notes = read_raw(tmp_path, raw, frame=frame)
            np.testing.assert_allclose(found, body() + more, atol=0.03)
            assert notes == {"frames_left": 2}
        for frame, message in (
            (None, "wrong_size: 'x': 3 volumes; the key `frame` chooses one"),
            (3, "wrong_size: 'x': 3 volumes, no number 3"),
        ):
            with pytest.raises(BadSample, match=message):
                read_raw(tmp_path, raw, frame=frame)

    def test_one_volume_needs_no_frame(self, tmp_path):
        raw = image_of(BODY[..., None])
        for frame in (None, 0):
            found, notes = read_raw(tmp_path, raw, frame=frame)
            np.testing.assert_allclose(found, body(), atol=0.03)
            assert notes == {}
        write_dicom_folder(tmp_path / "scan", body())
        read(tmp_path, "scan", frame=0)
        with pytest.raises(BadSample, match="1 volumes, no number 1"):
            read(tmp_path, "scan", frame=1)

    def test_a_frame_far_behind_is_no_bomb(self, tmp_path):
        raw = bytearray(nifti_bytes(body()))
        struct.pack_into("<5h", raw, 40, 4, 2000, 2000, 20, 30000)
        packed = zlib.compress(bytes(raw) + bytes(2**23), 1, 31)
        with pytest.raises(BadSample, match="too_large: .*a volume at byte"):
            read_raw(tmp_path, packed, frame=29999)
        with pytest.raises(BadSample, match="truncated"):
            read_raw(tmp_path, packed, frame=1)

    @pytest.mark.parametrize(
        "name", ["nifti1.hdr", "analyze.hdr", "nifti2.hdr", "test.mgz"]
    )
    def test_other_kinds_are_refused(self, tmp_path, name):
        raw = (SCANS / name).read_bytes()
        with pytest.raises(BadSample, match="wrong_format"):
            read_raw(tmp_path, raw)

    @pytest.mark.parametrize(
        "name, frame",
        [
            ("anatomical.nii", None),
            ("functional.nii", 3),
            ("example4d.nii.gz", 1),
            ("example_nifti2.nii.gz", 1),
            ("standard.nii.gz", None),
            ("reoriented_anat_moved.nii", None),
            ("resampled_anat_moved.nii", None),
        ],
    )
    def test_a_real_one_is_what_nibabel_reads(self, name, frame):
        straight = nibabel.as_closest_canonical(nibabel.load(SCANS / name))
        expected = np.squeeze(straight.get_fdata())
        expected = expected if frame is None else expected[..., frame]
        expected = expected.transpose(2, 1, 0)
        view = dict(zip(("depth", "height", "width"), expected.shape))
        spacing = np.sqrt((straight.affine[:3, :3] ** 2).sum(axis=0))[::-1]
        low, high = np.nanmin(expected), np.nanmax(expected)
        found, notes = read(
            SCANS, name, frame=frame, spacing_mm=spacing.tolist(),
            window_low=low, window_high=high, **view,
        )  # fmt: skip
        # One of them has a background of NaN.
        holes = np.isnan(expected)
        expected = np.where(holes, low, expected)
        np.testing.assert_allclose(found, expected, atol=(high - low) / 3e4)
        assert notes.get("voxels_filled", 0) == holes.sum()
        assert ("frames_left" in notes) == (frame is not None)


def test_a_scan_with_nothing_in_the_window_is_told(tmp_path):
    raw = nifti_bytes(body())
    for low, high in ((5000, 9000), (-9000, -5000)):
        _, notes = read_raw(tmp_path, raw, window_low=low, window_high=high)
        assert notes == {"nothing_in_window": 1}

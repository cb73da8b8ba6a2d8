"""Series, films and scans made on the spot, right ones and hostile ones."""

import csv
import io
import zlib
from pathlib import Path

import numpy as np

from mmkeras.kinds import Video
from mmkeras.spec import DataSpec

PATIENT = {
    "PatientName": "Kowalska^Zofia",
    "PatientID": "ZX-4711-QQ",
    "PatientBirthDate": "19310722",
    "PatientAddress": "12 Lindenweg",
    "StudyDate": "20070913",
    "InstitutionName": "Holzhausen Klinik",
    "SeriesInstanceUID": "1.2.826.0.1.98765.4321",
}
RATE = 50


def signal(seconds: float = 2, rate: float = RATE, channels: int = 2):
    """Returns `(steps, channels)`: a slow wave a channel, around 80."""
    t = np.arange(round(seconds * rate)) / rate
    waves = [np.sin(2 * np.pi * (c + 1) * t) for c in range(channels)]
    return np.stack(waves, axis=1) + 80


def write_csv(path, values, names=("a", "b"), times=None) -> None:
    """Writes channels as columns; NaN as an empty cell."""
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*names, *(["t"] if times is not None else [])])
        for at, row in enumerate(values):
            cells = ["" if np.isnan(v) else repr(float(v)) for v in row]
            rows.writerow(cells + ([times[at]] if times is not None else []))


def write_wfdb(folder, name, values, rate=RATE, names=("a", "b")) -> None:
    """Writes a record of 16 bits with a patient in its comments."""
    import wfdb

    wfdb.wrsamp(
        name,
        fs=rate,
        units=["mV"] * len(names),
        sig_name=list(names),
        p_signal=np.asarray(values, float),
        fmt=["16"] * len(names),
        comments=[f"Name: {PATIENT['PatientName']}"],
        write_dir=str(folder),
    )


def film(
    frames=12,
    kind="avi",
    codec="mjpeg",
    height=16,
    width=24,
    rotation=None,
    rate=10,
    **options,
) -> bytes:
    """Returns a film, at 10 Hz: frame i has grey 20 i, its corner is white."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = width, height
        other = {"mjpeg": "yuvj420p", "png": "rgb24"}
        stream.pix_fmt = other.get(codec, "yuv420p")
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for i in range(frames):
            pixels = np.full((height, width, 3), 20 * i % 256, np.uint8)
            pixels[: height // 2, : width // 2] = 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def film_spec(**changes) -> Video:
    """Returns the kind that reads `film`."""
    values = {
        "kind": "video", "column": "x", "height": 16, "width": 24,
        "frames": 4, "channels": 1,
    }  # fmt: skip
    return Video(**{**values, **changes})


def body(depth=6, height=8, width=10) -> np.ndarray:
    """Returns `(z, y, x)` along RAS, different in every direction."""
    z, y, x = np.ogrid[:depth, :height, :width]
    return (100 * z + 10 * y + x).astype(np.int16)


def nifti_bytes(voxels, spacing=(3.0, 2.0, 1.0), compress=False) -> bytes:
    """Returns `(z, y, x)` as a NIfTI of the axes (x, y, z)."""
    import nibabel

    sides = np.diag([*spacing[::-1], 1.0])
    image = nibabel.Nifti1Image(voxels.transpose(2, 1, 0), sides)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = PATIENT["PatientName"].encode()
    raw = image.to_bytes()
    if not compress:
        return raw
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    return squeeze.compress(raw) + squeeze.flush()


def dicom_bytes(
    pixels, place=(0, 0, 0), spacing=(2.0, 1.0), syntax=None, **tags
) -> bytes:
    """Returns one axial CT slice, or several frames, with a patient.

    Args:
        pixels: `(rows, columns)` or `(frames, rows, columns)` int16.
        place: Of the first pixel, in mm to the left, posterior, superior.
        spacing: Between rows and between columns, in mm.
        syntax: Transfer syntax; explicit VR little endian when left out.
        tags: Others, by keyword; None takes one away.
    """
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset

    syntax = syntax or pydicom.uid.ExplicitVRLittleEndian
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    data.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    values = {
        **PATIENT,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleSlope": 1,
        "RescaleIntercept": -1000,
        "PixelSpacing": list(spacing),
        "SliceThickness": 3,
        "ImagePositionPatient": list(place),
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelData": pixels.astype("<i2").tobytes(),
        **tags,
    }
    for key, value in values.items():
        if value is not None:
            setattr(data, key, value)
    file = io.BytesIO()
    pydicom.dcmwrite(file, data, enforce_file_format=True)
    return file.getvalue()


def write_dicom_folder(folder: Path, voxels, order=None) -> None:
    """Writes `(z, y, x)` along RAS as axial slices, 3 x 2 x 1 mm."""
    folder.mkdir(parents=True)
    order = order or range(len(voxels))
    for name, z in enumerate(order):
        # DICOM's rows run to posterior and its columns to the left.
        plane = voxels[z, ::-1, ::-1] + 1000
        raw = dicom_bytes(plane, place=(0, 0, 3 * z))
        (folder / f"{name}.dcm").write_bytes(raw)


def write_signals(root: Path, samples: int = 9) -> None:
    """Writes a data set of every kind here, and its manifest."""
    root.mkdir(parents=True)
    rows = []
    for i in range(samples):
        values = signal() + i
        values[10:20, 0] = np.nan
        if i % 3 == 0:
            np.save(root / f"{i}.npy", values)
        elif i % 3 == 1:
            write_csv(root / f"{i}.csv", values)
        else:
            write_wfdb(root, f"{i}", values)
        (root / f"{i}.avi").write_bytes(film())
        if i % 2:
            write_dicom_folder(root / f"scan{i}", body() + i)
        else:
            (root / f"{i}.nii").write_bytes(nifti_bytes(body() + i))
        rows.append(
            {
                "id": f"s{i}",
                "ecg": f"{i}" + (".npy", ".csv", "")[i % 3],
                "film": f"{i}.avi",
                "scan": f"scan{i}" if i % 2 else f"{i}.nii",
                "side": "left" if i % 2 else "right",
                "split": ("train", "train", "validation", "test")[i % 4],
            }
        )
    with open(root / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def signals_spec(root: Path | None = None) -> DataSpec:
    """Returns the spec of `write_signals`."""
    return DataSpec.from_dict(
        {
            "name": "signals",
            "data": {"id_column": "id", "root": str(root or ".")},
            "split": {"method": "column", "column": "split"},
            "modalities": {
                "ecg": {"kind": "series", "column": "ecg",
                        "channels": ["a", "b"], "sample_rate_hz": 25,
                        "duration_sec": 1.6, "file_rate_hz": RATE},
                "film": {"kind": "video", "column": "film", "height": 8,
                         "width": 12, "channels": 1, "frames": 4},
                "scan": {"kind": "volume", "column": "scan", "depth": 4,
                         "height": 8, "width": 8, "spacing_mm": [3, 2, 2],
                         "window_low": 0, "window_high": 1000},
            },
            "targets": {
                "side": {"kind": "category", "column": "side",
                         "classes": ["left", "right"]},
            },
        }
    )  # fmt: skip

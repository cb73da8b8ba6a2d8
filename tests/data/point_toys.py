"""Clouds of points in every format that is read."""

import io

import numpy as np

COLUMNS = ("x", "y", "z", "intensity")
PCD = (
    "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\n"
    "FIELDS x y z intensity\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\n"
    "WIDTH {count}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {count}\n"
    "DATA {data}\n"
)
PLY = (
    "ply\nformat {data} 1.0\nelement vertex {count}\nproperty float x\n"
    "property float y\nproperty float z\nproperty float intensity\n"
    "end_header\n"
)


def cloud(points: int = 200, seed: int = 0) -> np.ndarray:
    """`(points, 4)` float32 within 5 metres."""
    draw = np.random.default_rng(seed)
    place = draw.uniform(-5, 5, (points, 3))
    return np.c_[place, draw.random(points)].astype("<f4")


def lines(values: np.ndarray, separator: str = " ") -> str:
    """The numbers of an array as text that tells them exactly."""
    rows = ([repr(float(v)) for v in row] for row in values)
    return "".join(f"{separator.join(row)}\n" for row in rows)


def npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def pcd(values: np.ndarray, data: str = "binary") -> bytes:
    head = PCD.format(count=len(values), data=data).encode()
    body = values.tobytes() if data == "binary" else lines(values).encode()
    return head + body


def packed_pcd(values: np.ndarray) -> bytes:
    """Column by column, in LZF's runs of 32 literal bytes, as PCL reads it.

    pypcd4 writes it unpacked where that is shorter, as of random numbers.
    """
    plain = values.T.tobytes()
    runs = [plain[i : i + 32] for i in range(0, len(plain), 32)]
    body = b"".join(bytes([len(run) - 1]) + run for run in runs)
    sizes = np.array([len(body), len(plain)], "<u4").tobytes()
    head = PCD.format(count=len(values), data="binary_compressed").encode()
    return head + sizes + body


def ply(values: np.ndarray, data: str = "binary_little_endian") -> bytes:
    head = PLY.format(count=len(values), data=data).encode()
    plain = data == "ascii"
    return head + (lines(values).encode() if plain else values.tobytes())


def las(values: np.ndarray, compress: bool = False) -> bytes:
    """As surveyors have it: whole tenths of a millimetre."""
    import laspy

    header = laspy.LasHeader(point_format=3, version="1.2")
    header.scales = [1e-4] * 3
    made = laspy.LasData(header)
    made.x, made.y, made.z = values[:, :3].astype(float).T
    made.intensity = np.round(values[:, 3] * 1000).astype("u2")
    file = io.BytesIO()
    made.write(file, do_compress=compress)
    return file.getvalue()


def formats(values: np.ndarray) -> dict[str, bytes]:
    """A file of each format with the same points, but for LAS' rounding."""
    header = ",".join(COLUMNS)
    return {
        "kitti": values.tobytes(),
        "npy": npy(values),
        "npz": npz(points=values, poses=np.eye(4)),
        "pcd": pcd(values),
        "pcd ascii": pcd(values, "ascii"),
        "pcd packed": packed_pcd(values),
        "ply": ply(values),
        "ply ascii": ply(values, "ascii"),
        "csv": f"{header}\n{lines(values, ',')}".encode(),
        "xyz": lines(values).encode(),
        "cloudcompare": f"//X Y Z Intensity\n{lines(values)}".encode(),
    }

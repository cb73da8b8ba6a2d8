"""NIfTI files, plain or compressed, without trust in what they promise."""

import zlib

import numpy as np

from mmkeras.data.files.extras import needs
from mmkeras.data.files.reasons import BadSample, Reason, guarded
from mmkeras.data.files.scan import Scan, check_voxels

HEADER_BYTES = {348: "Nifti1Header", 540: "Nifti2Header"}
MAX_OFFSET = 16 * 2**20
MILLIMETRES = {"unknown": 1, "mm": 1, "meter": 1000, "micron": 0.001}


def read_nifti(raw: bytes, name: str) -> Scan:
    """Reads a NIfTI-1 or NIfTI-2 file of one volume.

    Its texts and extensions, which may name a patient, are never parsed.

    Args:
        raw: The file's bytes.
        name: Its name, for messages.
    """
    compressed = raw[:2] == b"\x1f\x8b"
    where = repr(name)
    header = _header(inflate(raw, 540, where) if compressed else raw, where)
    with guarded(Reason.BAD_HEADER, where):
        shape, dtype = header.get_data_shape(), header.get_data_dtype()
        slope, intercept = header.get_slope_inter()
        unit = MILLIMETRES.get(header.get_xyzt_units()[0], 1)
        axes = unit * header.get_best_affine()[:3, :3]
    # A fourth axis of one volume is common, and says nothing.
    shape = tuple(map(int, shape[:3] + tuple(n for n in shape[3:] if n != 1)))
    if len(shape) != 3 or dtype.kind not in "fiu":
        raise BadSample(Reason.BAD_HEADER, f"{where}: {dtype} of shape {shape}")
    check_voxels(shape, where)
    offset = header["vox_offset"].item()
    if not 0 <= offset <= MAX_OFFSET:
        raise BadSample(Reason.BAD_HEADER, f"{where}: data at {offset}")
    count, offset = int(np.prod(shape)), int(offset)
    needed = offset + count * dtype.itemsize
    # One byte more reaches the end, where the checksum is.
    raw = inflate(raw, needed + 1, where) if compressed else raw
    if len(raw) < needed:
        raise BadSample(
            Reason.TRUNCATED, f"{where}: {len(raw):,} of {needed:,} bytes"
        )
    voxels = np.frombuffer(raw, dtype, count, offset).reshape(shape, order="F")
    return Scan(voxels, axes, slope or 1.0, intercept or 0.0)


def inflate(raw: bytes, limit: int, where: str, bits: int = 31) -> bytes:
    """Returns the first `limit` bytes of compressed data, and no more.

    Args:
        raw: What is compressed.
        limit: Bytes wanted; fewer come back where there are no more.
        where: The file, for messages.
        bits: As in `zlib.decompress`; 31 is gzip, -15 has no header.
    """
    try:
        return zlib.decompressobj(bits).decompress(raw, limit)
    except zlib.error:
        raise BadSample(Reason.CORRUPT, f"{where}: not inflated") from None


def _header(raw: bytes, where: str):
    nibabel = needs("nibabel", "medical")
    for size, kind in HEADER_BYTES.items():
        for order in ("little", "big"):
            if int.from_bytes(raw[:4], order) != size:
                continue
            if len(raw) < size:
                detail = f"{where}: cut in its header"
                raise BadSample(Reason.TRUNCATED, detail)
            # Checked by the library, it would print what it finds.
            return getattr(nibabel, kind)(raw[:size], check=False)
    raise BadSample(Reason.WRONG_FORMAT, f"{where} is no NIfTI file")

"""NIfTI files, plain or compressed, without trust in what they promise."""

import gzip
import io
import zlib

import numpy as np

from mmkeras.data.files.extras import needs
from mmkeras.data.files.reasons import BadSample, Reason, guarded
from mmkeras.data.files.scan import Scan, check_voxels

HEADER_BYTES = {348: "Nifti1Header", 540: "Nifti2Header"}
MAX_OFFSET = 16 * 2**20
# Bytes inflated and thrown away on the way to a later volume: some 10 s.
MAX_SKIPPED = 4 * 2**30
MILLIMETRES = {"unknown": 1, "mm": 1, "meter": 1000, "micron": 0.001}


def read_nifti(raw: bytes, name: str, frame: int | None = None) -> Scan:
    """Reads one volume of a NIfTI-1 or NIfTI-2 file.

    Its texts and extensions, which may name a patient, are never parsed.

    Args:
        raw: The file's bytes.
        name: Its name, for messages.
        frame: Which of several volumes, from 0; None where there is one.
    """
    compressed, where = is_gzip(raw), repr(name)
    header = _header(gunzip(raw, 540, where) if compressed else raw, where)
    with guarded(Reason.BAD_HEADER, where):
        shape, dtype = header.get_data_shape(), header.get_data_dtype()
        slope, intercept = header.get_slope_inter()
        unit = MILLIMETRES.get(header.get_xyzt_units()[0], 1)
        axes = unit * header.get_best_affine()[:3, :3]
        told = int(header["qform_code"]) > 0 or int(header["sform_code"]) > 0
    shape = tuple(map(int, shape))
    # Axes of one volume are common, and say nothing.
    frames = tuple(n for n in shape[3:] if n != 1) or (1,)
    if len(shape) < 3 or len(frames) > 1 or dtype.kind not in "fiu":
        raise BadSample(Reason.BAD_HEADER, f"{where}: {dtype} of shape {shape}")
    shape, (frames,) = shape[:3], frames
    check_voxels(shape, where)
    number = check_frame(frame, frames, where)
    offset = header["vox_offset"].item()
    if not header.sizeof_hdr <= offset <= MAX_OFFSET:
        raise BadSample(Reason.BAD_HEADER, f"{where}: data at {offset}")
    count = int(np.prod(shape))
    size = count * dtype.itemsize
    start = int(offset) + number * size
    if compressed:
        # One byte more reaches the end, where the checksum is.
        raw = gunzip(raw, size + 1, where, start)
    else:
        raw = raw[start : start + size]
    if len(raw) < size:
        detail = f"{where}: {len(raw):,} of {size:,} bytes of voxels"
        raise BadSample(Reason.TRUNCATED, detail)
    voxels = np.frombuffer(raw, dtype, count).reshape(shape, order="F")
    # Without axes of its own, nibabel takes x for one that runs to the left.
    notes = {"orientation_guessed": int(not told), "frames_left": frames - 1}
    return Scan(voxels, axes, slope or 1.0, intercept or 0.0, notes)


def check_frame(frame: int | None, frames: int, where: str) -> int:
    """Returns which of the volumes in a file is wanted.

    Raises:
        BadSample: If it has several and none is chosen, or not so many.
    """
    if frame is None and frames > 1:
        detail = f"{where}: {frames:,} volumes; the key `frame` chooses one"
        raise BadSample(Reason.WRONG_SIZE, detail)
    if (frame or 0) >= frames:
        detail = f"{where}: {frames:,} volumes, no number {frame}"
        raise BadSample(Reason.WRONG_SIZE, detail)
    return frame or 0


def is_nifti(raw: bytes) -> bool:
    """Whether a file starts as NIfTI does, compressed or not."""
    lengths = {int.from_bytes(raw[:4], order) for order in ("little", "big")}
    return is_gzip(raw) or bool(lengths & set(HEADER_BYTES))


def is_gzip(raw: bytes) -> bool:
    """Whether a file says that it is compressed."""
    return raw[:2] == b"\x1f\x8b"


def gunzip(raw: bytes, count: int, where: str, start: int = 0) -> bytes:
    """Returns bytes of a gzip file, and makes no others.

    A file may be of several parts, one after the other, each with a checksum.

    Args:
        raw: The file's bytes.
        count: Bytes wanted; fewer come back where there are no more.
        where: The file, for messages.
        start: Where they start, in what is compressed.
    """
    if start > MAX_SKIPPED:
        detail = f"{where}: a volume at byte {start:,}, at most {MAX_SKIPPED:,}"
        raise BadSample(Reason.TOO_LARGE, detail)
    parts = []
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
            while count > 0:
                part = file.read1(min(2**20, start or count))
                if not part:
                    break
                if start:
                    start -= len(part)
                else:
                    count -= len(part)
                    parts.append(part)
    except EOFError:
        pass  # told as truncated, with what is there
    except (OSError, zlib.error):
        raise BadSample(Reason.CORRUPT, f"{where}: not inflated") from None
    return b"".join(parts)


def inflate(raw: bytes, limit: int, where: str) -> bytes:
    """Returns the first bytes of deflated data without header, and no more.

    Args:
        raw: What is compressed.
        limit: Bytes wanted; fewer come back where there are no more.
        where: The file, for messages.
    """
    try:
        return zlib.decompressobj(-15).decompress(raw, limit)
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
            header = getattr(nibabel, kind)(raw[:size], check=False)
            if header["magic"].item()[:3] in (b"n+1", b"n+2"):
                return header
            raise BadSample(
                Reason.WRONG_FORMAT,
                f"{where}: a header whose voxels lie in another file, or "
                "Analyze; as one .nii file it can be read",
            )
    raise BadSample(Reason.WRONG_FORMAT, f"{where} is no NIfTI file")

"""The pixels of one DICOM file, once its tags are read and checked."""

import itertools
import struct

import numpy as np

from mmkeras.data.files.dicom_files import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    DicomFile,
)
from mmkeras.data.files.extras import needs
from mmkeras.data.files.pictures import check_jpeg
from mmkeras.data.files.reasons import BadSample, Reason, guarded

PIXEL_DATA = (0x7FE0, 0x0010)
PLAIN = (IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN)
RLE = "1.2.840.10008.1.2.5"
JPEG_8_BIT = "1.2.840.10008.1.2.4.50"
LETTERS = (b"OB", b"OW", b"UN")
# Colours that two pixels share.
HALVED = "YBR_FULL_422"


def read_frames(file: DicomFile) -> np.ndarray:
    """Returns `(frames, rows, columns)` of grey, as stored."""
    tags, syntax = file.tags, file.syntax
    if file.samples != 1:
        raise BadSample(Reason.WRONG_FORMAT, f"{file.where}: in colour")
    bits, stored = tags.BitsAllocated, tags.BitsStored
    data = _pixel_data(file)
    if syntax in PLAIN:
        kind = "i" if tags.PixelRepresentation else "u"
        dtype = f"{'>' if syntax == BIG_ENDIAN else '<'}{kind}{bits // 8}"
        pixels = np.frombuffer(data, dtype)
    else:
        pixels = _decompress(file, data)
    # Old files keep overlays in the bits that no pixel needs.
    if stored < bits and tags.get("HighBit") == stored - 1:
        pixels = (pixels << bits - stored) >> bits - stored
    return pixels.reshape(file.shape)


def read_colour(file: DicomFile) -> np.ndarray:
    """Returns the first frame as RGB, `(rows, columns, 3)`."""
    return _decompress(file, _pixel_data(file), index=0)


def _pixel_data(file: DicomFile) -> bytes:
    """Returns what the element of the pixels holds."""
    body, start, syntax = file.body, file.start, file.syntax
    order = ">" if syntax == BIG_ENDIAN else "<"
    # Some files are not written as their header says; pydicom looks too.
    letters = body[start + 4 : start + 6]
    layout = f"{order}HH2sHL" if letters in LETTERS else f"{order}HHL"
    element = struct.unpack_from(layout, body, start)
    if element[:2] != PIXEL_DATA:
        raise BadSample(Reason.EMPTY, f"{file.where}: no pixels")
    start += struct.calcsize(layout)
    if syntax not in PLAIN:
        return body[start:]
    size = file.samples * int(np.prod(file.shape))
    size = size * file.tags.BitsAllocated // 8
    if file.tags.get("PhotometricInterpretation") == HALVED:
        size = size * 2 // 3
    if min(len(body) - start, element[-1]) < size:
        raise BadSample(
            Reason.TRUNCATED,
            f"{file.where}: {len(body) - start:,} of {size:,} bytes of pixels",
        )
    if (
        syntax == BIG_ENDIAN
        and letters == b"OW"
        and (file.tags.BitsAllocated == 8)
    ):
        # Two pixels are one word.
        words = np.frombuffer(body, "<u2", -(-size // 2), start)
        return words.byteswap().tobytes()[:size]
    return body[start : start + size]


def _decompress(
    file: DicomFile, coded: bytes, index: int | None = None
) -> np.ndarray:
    """Decodes frames once each says the size of the header.

    Args:
        file: The file.
        coded: What the element of its pixels holds.
        index: The only frame wanted, which colours are converted of.
    """
    pydicom, tags, where = needs("pydicom", "medical"), file.tags, file.where
    try:
        decoder = pydicom.pixels.get_decoder(file.syntax)
        ready = decoder.is_available
    except NotImplementedError:
        ready = False
    if not ready:
        raise BadSample(
            Reason.WRONG_FORMAT, f"{where}: pixels compressed in a way that "
            "no installed decoder of pydicom reads"
        )  # fmt: skip
    if file.syntax not in PLAIN:
        coded = pydicom.encaps.encapsulate(_frames(file, coded))
    tags.file_meta = pydicom.dataset.FileMetaDataset()
    tags.file_meta.TransferSyntaxUID = file.syntax
    tags.add_new(PIXEL_DATA, "OB" if tags.BitsAllocated == 8 else "OW", coded)
    with guarded(Reason.CORRUPT, where):
        return decoder.as_array(tags, index=index, raw=index is None)[0]


def _frames(file: DicomFile, coded: bytes) -> list[bytes]:
    """Returns the compressed frames, none of another size than declared."""
    pydicom = needs("pydicom", "medical")
    count, rows, columns = file.shape
    frames = pydicom.encaps.generate_frames(coded, number_of_frames=count)
    frames = list(itertools.islice(frames, count))
    if len(frames) < count:
        detail = f"{file.where}: {len(frames)} of {count} frames"
        raise BadSample(Reason.TRUNCATED, detail)
    # RLE doubles what it cannot shorten.
    most = file.samples * rows * columns * file.tags.BitsAllocated // 4 + 1024
    for frame in frames:
        if (
            len(frame) > most
            if file.syntax == RLE
            else coded_size(frame) != (rows, columns)
        ):
            detail = f"{file.where}: a frame of another size"
            raise BadSample(Reason.CORRUPT, detail)
        if file.syntax == JPEG_8_BIT:
            check_jpeg(frame, file.where)
    return frames


def coded_size(frame: bytes) -> tuple[int, int] | None:
    """Returns rows and columns of a JPEG, JPEG-LS or JPEG 2000 stream."""
    if frame[:4] == b"\xff\x4f\xff\x51":
        right, bottom, left, top = struct.unpack_from(">4L", frame, 8)
        return bottom - top, right - left
    at = 2
    while at + 9 <= len(frame):
        marker, length = struct.unpack_from(">HH", frame, at)
        tables = (0xFFC4, 0xFFC8, 0xFFCC)
        start = 0xFFC0 <= marker <= 0xFFCF and marker not in tables
        if start or marker == 0xFFF7:
            return struct.unpack_from(">HH", frame, at + 5)
        at += 2 + length
    return None

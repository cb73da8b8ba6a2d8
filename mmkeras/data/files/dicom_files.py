"""One DICOM file to its planes and the few tags that place them.

Only the tags listed here are read; texts and identifiers stay in the file,
and messages hold sizes and counts alone.
"""

import io
import itertools
import struct

import numpy as np

from mmkeras.data.files.extras import needs
from mmkeras.data.files.nifti import inflate
from mmkeras.data.files.reasons import BadSample, Reason, guarded
from mmkeras.data.files.scan import check_voxels

# All but the pixels; what lies there beside the tags below is skipped.
MAX_HEADER_BYTES = 2**20
# Items of sequences; the library makes an object of each, in 80 us.
MAX_ITEMS = 10_000
TAGS = (
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "RescaleSlope", "RescaleIntercept", "PixelSpacing",
    "SliceThickness", "ImagePositionPatient", "ImageOrientationPatient",
    "GridFrameOffsetVector", "SeriesInstanceUID",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
PIXEL_DATA = (0x7FE0, 0x0010)
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG_ENDIAN = f"{EXPLICIT}.99", "1.2.840.10008.1.2.2"
PLAIN = (IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN)
RLE = "1.2.840.10008.1.2.5"


def read_frames(raw: bytes, where: str) -> tuple:
    """Reads one file, its sizes before its pixels.

    Args:
        raw: Its bytes.
        where: Which file it is, for messages.

    Returns:
        A pydicom `Dataset` of the tags above, and `(frames, rows, columns)`
        stored values. Damage may raise any exception of pydicom too.

    Raises:
        BadSample: If it is no DICOM file, too large, or lacks its pixels.
    """
    pydicom = needs("pydicom", "medical")
    syntax, end = _syntax(pydicom, raw, where)
    rest = raw[end:]
    body = rest
    if syntax == DEFLATED:
        body = inflate(rest, MAX_HEADER_BYTES, where, -15)
    tags, start = _tags(pydicom, syntax, body, where)
    shape = (int(tags.get("NumberOfFrames") or 1), tags.Rows, tags.Columns)
    check_voxels(shape, where)
    bits, stored = tags.BitsAllocated, tags.BitsStored
    if tags.get("SamplesPerPixel", 1) != 1:
        raise BadSample(Reason.WRONG_FORMAT, f"{where}: in colour")
    if bits not in (8, 16, 32) or not 1 <= stored <= bits:
        detail = f"{where}: {stored} of {bits} bits"
        raise BadSample(Reason.BAD_HEADER, detail)
    size = int(np.prod(shape)) * bits // 8
    if syntax == DEFLATED:
        body = inflate(rest, start + 12 + size, where, -15)
    order = ">" if syntax == BIG_ENDIAN else "<"
    layout = f"{order}HHL" if syntax == IMPLICIT else f"{order}HH2sHL"
    element = struct.unpack_from(layout, body, start)
    if element[:2] != PIXEL_DATA:
        raise BadSample(Reason.EMPTY, f"{where}: no pixels")
    start += struct.calcsize(layout)
    if syntax not in PLAIN:
        coded = body[start:]
        pixels = _decompress(pydicom, syntax, tags, coded, shape, where)
    else:
        if min(len(body) - start, element[-1]) < size:
            raise BadSample(
                Reason.TRUNCATED,
                f"{where}: {len(body) - start:,} of {size:,} bytes of pixels",
            )
        kind = "i" if tags.PixelRepresentation else "u"
        dtype = f"{order}{kind}{bits // 8}"
        pixels = np.frombuffer(body, dtype, size * 8 // bits, start)
    # Old files keep overlays in the bits that no pixel needs.
    if stored < bits and tags.get("HighBit") == stored - 1:
        pixels = (pixels << bits - stored) >> bits - stored
    return tags, pixels.reshape(shape)


def _syntax(pydicom, raw: bytes, where: str) -> tuple[str, int]:
    """Returns how the file is written, and where its first part ends."""
    if raw[128:132] != b"DICM":
        raise BadSample(Reason.WRONG_FORMAT, f"{where} is no DICOM file")
    if raw[132:140] != b"\2\0\0\0UL\4\0":
        raise BadSample(Reason.BAD_HEADER, f"{where}: no meta information")
    end = 144 + struct.unpack_from("<L", raw, 140)[0]
    meta = pydicom.filereader.read_dataset(
        io.BytesIO(raw[132 : min(end, MAX_HEADER_BYTES)]),
        is_implicit_VR=False,
        is_little_endian=True,
        specific_tags=[0x00020010],
    )
    return str(meta.TransferSyntaxUID), end


def _tags(pydicom, syntax: str, body: bytes, where: str) -> tuple:
    """Returns the tags, and where the pixels' element starts in `body`."""
    head = body[:MAX_HEADER_BYTES]
    item = b"\xff\xfe\xe0\0" if syntax == BIG_ENDIAN else b"\xfe\xff\0\xe0"
    if head.count(item) > MAX_ITEMS:
        raise BadSample(Reason.BAD_HEADER, f"{where}: too many tags")
    file = io.BytesIO(head)
    tags = pydicom.filereader.read_dataset(
        file,
        is_implicit_VR=syntax == IMPLICIT,
        is_little_endian=syntax != BIG_ENDIAN,
        stop_when=lambda tag, vr, length: tag >= 0x7FE00008,
        specific_tags=[pydicom.datadict.tag_for_keyword(t) for t in TAGS],
    )
    start = file.tell()
    if start + 12 > len(body):
        raise BadSample(Reason.EMPTY, f"{where}: no pixels")
    if start + 12 > MAX_HEADER_BYTES:
        raise BadSample(Reason.BAD_HEADER, f"{where}: too many tags")
    return tags, start


def _decompress(
    pydicom, syntax: str, tags, coded: bytes, shape: tuple, where: str
) -> np.ndarray:
    """Decodes compressed frames once each says the size of the header."""
    count, rows, columns = shape
    try:
        ready = pydicom.pixels.get_decoder(syntax).is_available
    except NotImplementedError:
        ready = False
    if not ready:
        raise BadSample(
            Reason.WRONG_FORMAT, f"{where}: pixels compressed in a way that "
            "no installed decoder of pydicom reads"
        )  # fmt: skip
    frames = pydicom.encaps.generate_frames(coded, number_of_frames=count)
    frames = list(itertools.islice(frames, count))
    if len(frames) < count:
        detail = f"{where}: {len(frames)} of {count} frames"
        raise BadSample(Reason.TRUNCATED, detail)
    # RLE doubles what it cannot shorten.
    most = rows * columns * tags.BitsAllocated // 4 + 1024
    for frame in frames:
        if (
            len(frame) > most
            if syntax == RLE
            else coded_size(frame) != (rows, columns)
        ):
            detail = f"{where}: a frame of another size"
            raise BadSample(Reason.CORRUPT, detail)
    tags.file_meta = pydicom.dataset.FileMetaDataset()
    tags.file_meta.TransferSyntaxUID = syntax
    tags.PixelData = pydicom.encaps.encapsulate(frames)
    with guarded(Reason.CORRUPT, where):
        return tags.pixel_array


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

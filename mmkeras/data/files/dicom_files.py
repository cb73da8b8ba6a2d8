"""One DICOM file: the few tags that say what its pixels are and where.

Only the tags listed here are read; texts and identifiers stay in the file,
and messages hold sizes and counts alone.
"""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmkeras.data.files.extras import needs
from mmkeras.data.files.nifti import inflate
from mmkeras.data.files.reasons import BadSample, Reason
from mmkeras.data.files.scan import check_voxels

# All but the pixels; what lies there beside the tags below is skipped.
MAX_HEADER_BYTES = 2**20
# Items of sequences; the library makes an object of each, in 80 us.
MAX_ITEMS = 10_000
TAGS = (
    "ImageType", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "ImagePositionPatient", "ImageOrientationPatient",
    "GridFrameOffsetVector", "SeriesInstanceUID",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG_ENDIAN = f"{EXPLICIT}.99", "1.2.840.10008.1.2.2"
# Where the tags of a frame lie in a file of many frames.
GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "WindowCenter": "FrameVOILUTSequence",
    "WindowWidth": "FrameVOILUTSequence",
    "VOILUTFunction": "FrameVOILUTSequence",
}
# What a DICOM file may be beside an image: an index, a report, a signal.
CLASSES = "1.2.840.10008.5.1.4.1.1"
WITHOUT_PIXELS = (
    "1.2.840.10008.1.3.10",
    *(f"{CLASSES}.{part}." for part in (9, 11, 88, 104)),
    *(f"{CLASSES}.66.{part}" for part in (1, 2, 3, 5, 6)),
    *(f"{CLASSES}.481.{part}" for part in range(3, 10)),
)


class NoImage(BadSample):
    """A DICOM file that is something else by its own word."""


def is_dicom(raw: bytes) -> bool:
    """Whether a file says that it is DICOM."""
    return raw[128:132] == b"DICM"


@dataclass(frozen=True)
class DicomFile:
    """A file whose tags are read, and whose pixels are not.

    Args:
        tags: A pydicom `Dataset` of the tags above.
        syntax: Transfer syntax, how it is written.
        body: All behind its meta information, inflated as far as needed.
        start: Where the pixels' element starts in `body`.
        where: Which file it is, for messages.
    """

    tags: Any
    syntax: str
    body: bytes
    start: int
    where: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns."""
        tags = self.tags
        return int(tags.get("NumberOfFrames") or 1), tags.Rows, tags.Columns

    @property
    def samples(self) -> int:
        """Numbers of a pixel: 3 in colour."""
        return int(self.tags.get("SamplesPerPixel") or 1)

    @property
    def is_mosaic(self) -> bool:
        """Whether one frame holds many slices, side by side."""
        return "MOSAIC" in (self.tags.get("ImageType") or ())


def open_dicom(raw: bytes, where: str) -> DicomFile:
    """Reads the tags of one file and checks its sizes.

    Args:
        raw: Its bytes.
        where: Which file it is, for messages.

    Raises:
        BadSample: If it is no DICOM file, too large, or lacks its pixels.
            Damage may raise any exception of pydicom too.
    """
    pydicom = needs("pydicom", "medical")
    syntax, end = _syntax(pydicom, raw, where)
    rest = raw[end:]
    body = rest
    if syntax == DEFLATED:
        body = inflate(rest, MAX_HEADER_BYTES, where)
    wanted = [pydicom.datadict.tag_for_keyword(keyword) for keyword in TAGS]
    tags, start = read_tags(syntax, body, wanted, where)
    file = DicomFile(tags, syntax, body, start, where)
    check_voxels(file.shape, where)
    bits, stored = tags.BitsAllocated, tags.BitsStored
    if bits not in (8, 16, 32) or not 1 <= stored <= bits:
        detail = f"{where}: {stored} of {bits} bits"
        raise BadSample(Reason.BAD_HEADER, detail)
    if syntax == DEFLATED:
        # Never more than three numbers a pixel.
        most = 3 * int(np.prod(file.shape)) * bits // 8
        body = inflate(rest, start + 12 + most, where)
        file = DicomFile(tags, syntax, body, start, where)
    return file


def _syntax(pydicom, raw: bytes, where: str) -> tuple[str, int]:
    """Returns how the file is written, and where its first part ends."""
    if not is_dicom(raw):
        raise BadSample(Reason.WRONG_FORMAT, f"{where} is no DICOM file")
    if raw[132:134] != b"\2\0":
        raise BadSample(Reason.BAD_HEADER, f"{where}: no meta information")
    file = io.BytesIO(raw[132:MAX_HEADER_BYTES])
    # Its length, which stands first, is missing or wrong in some files.
    meta = pydicom.filereader.read_dataset(
        file,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, vr, length: tag >> 16 != 2,
        specific_tags=[0x00020002, 0x00020010],
    )
    kind = str(meta.get("MediaStorageSOPClassUID", ""))
    if kind.startswith(WITHOUT_PIXELS):
        detail = f"{where}: no image, but a report, an index or the like"
        raise NoImage(Reason.EMPTY, detail)
    return str(meta.TransferSyntaxUID), 132 + file.tell()


def read_tags(
    syntax: str, body: bytes, wanted: list[int], where: str
) -> tuple[Any, int]:
    """Reads tags that stand before the pixels.

    Args:
        syntax: Transfer syntax.
        body: All behind the meta information.
        wanted: The tags to read; others are skipped.
        where: Which file it is, for messages.

    Returns:
        A pydicom `Dataset`, and where the element of the pixels starts.
    """
    pydicom = needs("pydicom", "medical")
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
        specific_tags=wanted,
    )
    start = file.tell()
    if start + 12 > len(body):
        raise BadSample(Reason.EMPTY, f"{where}: no pixels")
    if start + 12 > MAX_HEADER_BYTES:
        raise BadSample(Reason.BAD_HEADER, f"{where}: too many tags")
    return tags, start


def frame_value(tags: Any, number: int, key: str) -> Any:
    """Returns a tag of one frame: its own, that of all frames, or plain.

    Args:
        tags: A pydicom `Dataset`.
        number: Which frame.
        key: A key of `GROUPS`.
    """
    for sequence, item in (
        ("PerFrameFunctionalGroupsSequence", number),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        items = tags.get(sequence)
        if items and item < len(items):
            inner = items[item].get(GROUPS[key])
            if inner and inner[0].get(key) is not None:
                return inner[0].get(key)
    return tags.get(key)

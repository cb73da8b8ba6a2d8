"""Containers of films and sounds, told by their first bytes, for PyAV."""

import struct
from io import BytesIO

# FFmpeg's name, and what stands where. It must not guess: a playlist names
# other files.
_STARTS = (
    ("mp4", 4, (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
    ("matroska", 0, (b"\x1a\x45\xdf\xa3",)),
    ("avi", 8, (b"AVI ",)),
    ("asf", 0, (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",)),
    ("flv", 0, (b"FLV\x01",)),
    ("ogg", 0, (b"OggS",)),
    ("mpeg", 0, (b"\0\0\1\xba",)),
    ("mpegvideo", 0, (b"\0\0\1\xb3",)),
    ("amr", 0, (b"#!AMR\n", b"#!AMR-WB\n")),
    ("aac", 0, (b"\xff\xf1", b"\xff\xf9")),
)
# Boxes at the top of an MP4; whatever else follows them is no part of it.
_BOXES = {
    b"emsg", b"free", b"ftyp", b"mdat", b"meta", b"mfra", b"moof", b"moov",
    b"pdin", b"pnot", b"sidx", b"skip", b"styp", b"udta", b"uuid", b"wide",
}  # fmt: skip
# Bytes of a packet of MPEG-TS, and where in it the sync byte stands.
_TS_PACKETS = ((188, 0), (192, 4), (204, 0))


def container_of(raw: bytes) -> str | None:
    """Returns FFmpeg's name of the container, whatever a file is called.

    Example:

    >>> container_of(b"FLV\\x01\\x05")
    'flv'
    """
    for name, place, starts in _STARTS:
        if raw.startswith(starts, place):
            return name
    for size, place in _TS_PACKETS:
        packets = raw[place : place + 5 * size : size]
        if len(packets) >= 3 and set(packets) == {0x47}:
            return "mpegts"
    return None


def open_container(av, raw: bytes, kind: str, **options: str):
    """Opens the bytes of a file, and nothing else, by PyAV.

    Args:
        av: The package.
        raw: The bytes.
        kind: What `container_of` returned.
        options: FFmpeg's, beside those that keep it from other files.
    """
    return av.open(
        BytesIO(raw),
        format=kind,
        options={"protocol_whitelist": "none", **options},
        metadata_errors="replace",
    )


def is_cut(raw: bytes) -> bool:
    """Returns whether a box of an MP4 promises more than the file has."""
    at = 0
    while at + 16 <= len(raw):
        size, box, long_size = struct.unpack_from(">L4sQ", raw, at)
        size = long_size if size == 1 else size
        if size < 8 or box not in _BOXES:
            return False  # the rest of the file, or damage
        at += size
    return at > len(raw)

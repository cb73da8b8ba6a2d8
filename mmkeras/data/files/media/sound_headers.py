"""How many bytes a file of sound promises, which its decoder may not ask."""

import struct

from mmkeras.data.files.reasons import BadSample, Reason

# What programs write that cannot go back to the header, as in a pipe: FFmpeg
# and GStreamer one of the first two, SoX and arecord one near 2 GiB.
_UNKNOWN = {0, 2**32 - 1}
_NEARLY_UNKNOWN = range(2**31 - 2**13, 2**31 + 1)


def mended(raw: bytes, name: str) -> tuple[bytes, bool]:
    """Returns the bytes with a length, and whether their header had none.

    Args:
        raw: The bytes of a file.
        name: Its name, for messages.

    Raises:
        BadSample: If the file is shorter than its header says.
    """
    if raw.startswith(b"BW64"):
        # The broadcasters' name for the same, which libsndfile does not know.
        raw = b"RF64" + raw[4:]
    if raw[:4] in (b"RIFF", b"RF64") and raw[8:12] == b"WAVE":
        place, size = _data_chunk(raw)
        left = len(raw) - place
        if place and _is_unknown(raw, size):
            return _with_length(raw, place, left), True
        needed = place + size
    else:
        needed = _needed_bytes(raw)
    if needed > len(raw):
        raise BadSample(
            Reason.TRUNCATED, f"{name!r}: {len(raw):,} of {needed:,} bytes"
        )
    return raw, False


def _data_chunk(raw: bytes) -> tuple[int, int]:
    """Returns where the samples of a WAV start and how many bytes they are."""
    place, long_size = 12, None
    while place + 8 <= len(raw):
        chunk, size = struct.unpack_from("<4sI", raw, place)
        place += 8
        if chunk == b"ds64" and place + 16 <= len(raw):
            (long_size,) = struct.unpack_from("<Q", raw, place + 8)
        if chunk == b"data":
            known = raw[:4] == b"RF64" and long_size is not None
            return place, long_size if known else size
        place += size + size % 2
    return 0, 0


def _is_unknown(raw: bytes, size: int) -> bool:
    if size == 0:
        # An empty recording counts all chunks that follow in its own size.
        (whole,) = struct.unpack_from("<I", raw, 4)
        return whole in _UNKNOWN or whole + 8 < len(raw)
    # As large is no file that is read at all.
    return size in _UNKNOWN or size in _NEARLY_UNKNOWN


def _with_length(raw: bytes, place: int, size: int) -> bytes:
    head = bytearray(raw[:place])
    head[:4] = b"RIFF"
    struct.pack_into("<I", head, 4, len(raw) - 8)
    struct.pack_into("<I", head, place - 4, size)
    return bytes(head) + raw[place:]


def _needed_bytes(raw: bytes) -> int:
    """Returns the bytes that a file must have; 0 where it does not say."""
    if raw[:4] == b"FORM":
        size = int.from_bytes(raw[4:8], "big")
        return 8 + size if size not in _UNKNOWN else 0
    if raw[:4] == b"riff":  # Sony Wave64
        return int.from_bytes(raw[16:24], "little")
    if raw[:4] == b".snd":
        start, size = struct.unpack_from(">II", raw.ljust(12, b"\0"), 4)
        return start + size if size not in _UNKNOWN else 0
    if raw[:4] == b"OggS":
        return _end_of_pages(raw)
    return 0


def _end_of_pages(raw: bytes) -> int:
    """Returns where the last page of an Ogg ends."""
    place = 0
    while raw.startswith(b"OggS", place):
        # 27 bytes, the last of them the size of a table of sizes.
        count = raw[place + 26] if place + 26 < len(raw) else 0
        place += 27 + count + sum(raw[place + 27 : place + 27 + count])
    return place

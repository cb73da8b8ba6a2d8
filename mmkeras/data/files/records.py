"""TFRecord files of `tf.train.Example`, written and checked without TensorFlow.

Workers that decode must start fast and stay small, so they do not import
TensorFlow; a test holds these few lines against its own reader.

A packed file is a row of gzip members of some 64 KiB each, which TensorFlow
reads as one: a flipped bit costs one of them, and a sample is read from one.
"""

import functools
import gzip
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import google_crc32c

# Least bytes of a member of a packed file, before it is packed.
BLOCK_BYTES = 64 * 2**10
# What a gzip member begins with that has no name and no extra fields.
MEMBER = b"\x1f\x8b\x08\x00"
# Bytes that are written at once.
BUFFER_BYTES = 2**20


def example(features: dict[str, bytes]) -> bytes:
    """Returns a serialized `tf.train.Example` of byte features."""
    parts = [b""]
    for key in sorted(features):
        value = features[key]
        parts += (_before(key, len(value)), value)
    parts[0] = _start(1, sum(map(len, parts)))
    return b"".join(parts)


# Samples of one spec differ in nothing but the values.
@functools.lru_cache(1024)
def _before(key: str, size: int) -> bytes:
    """Returns what stands before a value of some bytes in an Example."""
    values = _start(1, size)
    values = _start(1, len(values) + size) + values
    feature = _start(2, len(values) + size) + values
    name = key.encode()
    entry = _start(1, len(name)) + name + feature
    return _start(1, len(entry) + size) + entry


def _start(number: int, size: int) -> bytes:
    """Returns what a length-delimited protocol buffer field begins with."""
    length = bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    length.append(size)
    return bytes((number << 3 | 2,)) + bytes(length)


def features_of(payload: bytes) -> dict[str, bytes]:
    """Returns the byte features of an Example; the inverse of `example`.

    Example:

    >>> features_of(example({"a": b"1"}))
    {'a': b'1'}
    """
    found = {}
    for entry in _inside(_inside(payload)[0]):
        key, feature = _inside(entry)
        (values,) = _inside(feature)
        found[key.decode()] = _inside(values)[0]
    return found


def _inside(payload: bytes) -> list[bytes]:
    """Returns the length-delimited fields of a message, in order."""
    found, place = [], 0
    while place < len(payload):
        place, size, shift = place + 1, 0, 0
        while True:
            byte = payload[place]
            size |= (byte & 127) << shift
            place, shift = place + 1, shift + 7
            if byte < 128:
                break
        found.append(payload[place : place + size])
        place += size
    return found


def _framed(payload: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Returns one TFRecord: length, its checksum, payload, its checksum."""
    length = struct.pack("<Q", len(payload))
    return length, _checksum(length), payload, _checksum(payload)


def write_records(
    path: str | Path,
    payloads: Iterable[bytes],
    compression: str = "none",
    digest: Any = None,
) -> list[tuple[int, int, int]]:
    """Writes a TFRecord file.

    Args:
        path: The file.
        payloads: What it holds.
        compression: "none" or "gzip".
        digest: Of `hashlib`, which is fed with what is written; None is none.

    Returns:
        Where each record is: offset and size in bytes of what is read for it,
        and which of the records in there it is.
    """
    places: list[tuple[int, int, int]] = []
    place = 0
    with open(path, "wb", buffering=BUFFER_BYTES) as file:
        for block in _blocks(payloads, compression):
            raw = b"".join(part for one in block for part in _framed(one))
            if compression == "gzip":
                # The same bytes at any time.
                raw = gzip.compress(raw, 6, mtime=0)
            file.write(raw)
            if digest is not None:
                digest.update(raw)
            places += [(place, len(raw), index) for index in range(len(block))]
            place += len(raw)
    return places


def _blocks(
    payloads: Iterable[bytes], compression: str
) -> Iterator[list[bytes]]:
    block, size = [], 0
    for payload in payloads:
        block.append(payload)
        size += len(payload)
        if compression == "none" or size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def record_at(
    path: str | Path, offset: int, size: int, place: int
) -> bytes | None:
    """Returns one record of a file; None if it is damaged.

    Args:
        path: The file.
        offset, size, place: What `write_records` returned for the record.
    """
    with open(path, "rb") as file:
        file.seek(offset)
        records, damaged = _intact(_unpacked(file.read(size))[0])
    return None if damaged or place >= len(records) else records[place]


def intact_records(path: str | Path) -> tuple[list[bytes], list[int]]:
    """Reads a shard, packed or not, that may be damaged.

    After a damaged length the next record is searched byte by byte, so that a
    flipped bit costs one record, or one member of a packed file.

    Returns:
        The intact payloads, and the index of each damaged record. In a packed
        file, what a damaged member held counts as one.
    """
    raw, whole = _unpacked(Path(path).read_bytes())
    payloads, damaged = _intact(raw)
    if not whole and not damaged:
        damaged = [len(payloads)]
    return payloads, damaged


def _unpacked(raw: bytes) -> tuple[bytes, bool]:
    """Returns what gzip members hold, and whether all of them are whole.

    A file that is not packed is returned as it is.
    """
    if not raw.startswith(MEMBER) or _end(raw, 0) is not None:
        return raw, True
    found, whole, start = [], True, 0
    while start >= 0:
        member = zlib.decompressobj(31)
        try:
            inner = member.decompress(raw[start:])
            if not member.eof:
                raise zlib.error("cut")
        except zlib.error:
            whole = False
            # Compressed bytes may look like a start, and fail in their turn.
            start = raw.find(MEMBER, start + 1)
            continue
        found.append(inner)
        start = len(raw) - len(member.unused_data)
        if start == len(raw):
            break
    return b"".join(found), whole


def _intact(raw: bytes) -> tuple[list[bytes], list[int]]:
    payloads, damaged, place = [], [], 0
    while place < len(raw):
        end = _end(raw, place)
        payload = raw[place + 12 : end - 4] if end else b""
        if end and _checksum(payload) == raw[end - 4 : end]:
            payloads.append(payload)
        else:
            damaged.append(len(payloads) + len(damaged))
        place = end or _next_start(raw, place + 1)
    return payloads, damaged


def _end(raw: bytes, place: int) -> int | None:
    """Returns where the record at `place` ends; None if none starts there."""
    header = raw[place : place + 12]
    if len(header) < 12 or _checksum(header[:8]) != header[8:]:
        return None
    end = place + 12 + struct.unpack("<Q", header[:8])[0] + 4
    return end if end <= len(raw) else None


def _next_start(raw: bytes, place: int) -> int:
    while place < len(raw) and _end(raw, place) is None:
        place += 1
    return place


def _checksum(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return struct.pack("<I", masked)

"""TFRecord files of `tf.train.Example`, written and checked without TensorFlow.

Workers that decode must start fast and stay small, so they do not import
TensorFlow; a test holds these few lines against its own reader.
"""

import struct
from collections.abc import Iterable
from pathlib import Path

import google_crc32c


def example(features: dict[str, bytes]) -> bytes:
    """Returns a serialized `tf.train.Example` of byte features."""
    entries = b"".join(
        _field(
            1,
            _field(1, key.encode()) + _field(2, _field(1, _field(1, value))),
        )
        for key, value in sorted(features.items())
    )
    return _field(1, entries)


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


def frame(payload: bytes) -> bytes:
    """Returns one TFRecord: length, its checksum, payload, its checksum."""
    length = struct.pack("<Q", len(payload))
    return b"".join((length, _checksum(length), payload, _checksum(payload)))


def write_records(path: str | Path, payloads: Iterable[bytes]) -> None:
    """Writes a TFRecord file."""
    with open(path, "wb") as file:
        for payload in payloads:
            file.write(frame(payload))


def intact_records(path: str | Path) -> tuple[list[bytes], list[int]]:
    """Reads a shard that may be damaged.

    After a damaged length the next record is searched byte by byte, so that a
    flipped bit costs one record.

    Returns:
        The intact payloads, and the index of each damaged record.
    """
    raw = Path(path).read_bytes()
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


def _field(number: int, payload: bytes) -> bytes:
    """Returns a length-delimited protocol buffer field."""
    size, length = len(payload), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    length.append(size)
    return bytes((number << 3 | 2,)) + bytes(length) + payload

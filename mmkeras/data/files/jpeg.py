"""The layout of a JPEG, read without decoding it, and what it lacks.

libjpeg fills what is missing with grey and only warns, which Pillow does not
pass on. So a file that was cut, and whose end marker was put back by a camera,
a download or a repair tool, would be a picture like any other.

This file travels to the device, which refuses what `prepare` refuses. So it
imports NumPy and the standard library alone.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

END, SCAN, INTERVAL = 0xD9, 0xDA, 0xDD
RESTARTS = np.arange(0xD0, 0xD8, dtype=np.uint8)
# Markers without a body.
ALONE = (0x01, *range(0xD0, 0xD9))
PROGRESSIVE = (0xC2, 0xCA)
SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Each costs a pass over the whole picture; encoders write about ten.
MAX_SCANS = 200
# Pixels of a picture of which one block is no small part, or a large one.
SMALL, TINY = 2**16, 2**12
# Rows compared at a time.
STRIP = 1024
# Any bytes do, as long as they are none of a picture. Where the first ones are
# read as a block like what is filled in, their complement is not.
MORE = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(6))
MORE = np.frombuffer(MORE, np.uint8).clip(1, 254).reshape(2, 96)
MORE = np.concatenate([MORE, ~MORE])[[0, 2, 1, 3]]


@dataclass(frozen=True)
class Scan:
    """One pass over the picture.

    Args:
        components: Which components it holds.
        coefficients: The first and the last.
        low_bit: The last bit of them that it has told.
        restarts: Restart markers in it.
        interval: Blocks from one of them to the next; 0 is none.
    """

    components: bytes
    coefficients: tuple[int, int]
    low_bit: int
    restarts: int
    interval: int


@dataclass(frozen=True)
class Layout:
    """What a JPEG declares.

    Args:
        size: Width and height in pixels.
        progressive: Whether it gets finer from scan to scan.
        sampling: By component, blocks across and down in one unit of the
            picture.
        scans: In order.
        data_bytes: Length of what all of them hold.
        end: Where its end marker lies.
    """

    size: tuple[int, int]
    progressive: bool
    sampling: dict[int, tuple[int, int]]
    scans: tuple[Scan, ...]
    data_bytes: int
    end: int

    @property
    def in_one_pass(self) -> bool:
        """Whether it can be decoded row by row, without all coefficients."""
        return not self.progressive and all(
            len(scan.components) == len(self.sampling) for scan in self.scans
        )

    def units(self, components: bytes) -> int:
        """Returns the units that a scan of these components has."""
        across, down = self._most
        if len(components) > 1:
            steps = 8 * across, 8 * down
        else:
            # A component alone is counted in blocks of its own.
            own = self.sampling.get(components[0], (1, 1))
            steps = 8 * across / own[0], 8 * down / own[1]
        width, height = (-(-side // step) for side, step in zip(
            self.size, steps, strict=True))  # fmt: skip
        return int(width * height)

    @property
    def _most(self) -> tuple[int, int]:
        """Blocks across and down of the finest component."""
        return tuple(map(max, zip(*self.sampling.values(), strict=True)))

    def lacks(self) -> str | None:
        """Returns what a whole file would have and this one has not."""
        if not self.scans:
            return "no scan"
        units = self.units(bytes(self.sampling))
        blocks = units * sum(a * b for a, b in self.sampling.values())
        # No code is shorter than a bit, and each block has one at least.
        if self.data_bytes < blocks // 8:
            return f"{self.data_bytes:,} bytes for {blocks:,} blocks"
        for scan in self.scans:
            wanted = self.units(scan.components) - 1
            wanted = wanted // scan.interval if scan.interval else 0
            if scan.restarts < wanted:
                return f"{scan.restarts:,} of {wanted:,} restarts"
        for component in self.sampling:
            if self._unknown(component):
                return "its last scans"
        return None

    def _unknown(self, component: int) -> bool:
        """Whether a coefficient has not been told to its last bit."""
        bits = np.full(64, 99)
        for scan in self.scans:
            if component in scan.components:
                first, last = scan.coefficients
                bits[first : last + 1] = scan.low_bit
        return bool(bits.any())


def layout_of(raw: bytes) -> Layout | None:
    """Reads the markers of a JPEG; None where they lead to no end.

    Raises:
        ValueError: If it has so many scans that it takes minutes.
    """
    places, kinds = _markers(raw)
    others = np.flatnonzero(~np.isin(kinds, RESTARTS))
    at, interval, data_bytes, scans = 2, 0, 0, []
    size, kind, sampling = (0, 0), 0, {}
    while (index := int(np.searchsorted(places, at))) < len(places):
        at, marker = int(places[index]) + 2, int(kinds[index])
        if marker == END:
            if not sampling:
                return None
            scans, progressive = tuple(scans), kind in PROGRESSIVE
            return Layout(
                size, progressive, sampling, scans, data_bytes, at - 2
            )
        if marker in ALONE:
            continue
        length = int.from_bytes(raw[at : at + 2])
        body, at = raw[at + 2 : at + length], at + length
        if marker == INTERVAL:
            interval = int.from_bytes(body[:2])
        elif marker in SIZES and len(body) >= 6:
            kind, sampling = marker, _sampling(body[6:])
            size = tuple(int.from_bytes(body[i : i + 2]) for i in (3, 1))
        elif marker == SCAN:
            first = int(np.searchsorted(places, at))
            after = int(np.searchsorted(others, first))
            if after == len(others) or len(body) < 6:
                return None
            if len(scans) == MAX_SCANS:
                raise ValueError(f"more than {MAX_SCANS} scans")
            last = int(others[after])
            scans.append(_scan(body, last - first, interval, kind))
            end = int(places[last])
            data_bytes, at = data_bytes + end - at, end
    return None


def _markers(raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Returns where 0xFF comes before no data, and what stands there."""
    values = np.frombuffer(raw, np.uint8)
    places = np.flatnonzero(values[:-1] == 0xFF)
    kinds = values[places + 1]
    real = (kinds != 0) & (kinds != 0xFF)
    return places[real], kinds[real]


def _sampling(body: bytes) -> dict[int, tuple[int, int]]:
    parts = [body[i : i + 3] for i in range(0, len(body) // 3 * 3, 3)]
    return {
        part[0]: (max(1, part[1] >> 4), max(1, part[1] & 15)) for part in parts
    }


def _scan(body: bytes, restarts: int, interval: int, kind: int) -> Scan:
    components = body[1 : 1 + 2 * body[0] : 2]
    first, last, bits = body[-3:]
    if kind not in PROGRESSIVE:
        first, last, bits = 0, 63, 0
    return Scan(components, (first, last), bits & 15, restarts, interval)


def is_cut(
    raw: bytes, layout: Layout, picture: Any, decode: Callable[[bytes], Any]
) -> bool:
    """Returns whether the data end before the picture does.

    Bytes put before the end marker are passed over where the picture is
    complete, and become part of it where it is not.

    Args:
        raw: The file's bytes.
        layout: Its layout.
        picture: The Pillow picture that `decode` made of it.
        decode: Decodes the bytes of a file, to the same size.
    """
    corner = picture.getpixel((picture.width - 1, picture.height - 1))
    weights = {"L": 1, "RGB": (0.299, 0.587, 0.114)}.get(picture.mode)
    # What no data are left for is grey in luminance: 128.
    grey = weights is None or abs(np.dot(weights, corner) - 128) <= 3
    pixels = layout.size[0] * layout.size[1]
    if layout.in_one_pass and not grey and pixels > SMALL:
        return False
    # Most are whole, and each try costs as much as decoding.
    tries = (
        MORE if grey and layout.in_one_pass else MORE[: 1 + (pixels <= TINY)]
    )
    return not all(
        _alike(picture, decode(_longer(raw, layout, more))) for more in tries
    )


def _alike(one: Any, other: Any) -> bool:
    """Whether two pictures have the same pixels; strips save memory."""
    strips = [
        (0, top, one.width, min(top + STRIP, one.height))
        for top in range(0, one.height, STRIP)
    ]
    return all(
        one.crop(strip).tobytes() == other.crop(strip).tobytes()
        for strip in strips
    )


def _longer(raw: bytes, layout: Layout, more: np.ndarray) -> bytes:
    return raw[: layout.end] + more.tobytes() + raw[layout.end :]

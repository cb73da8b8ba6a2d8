"""Films by their content, and what decodes of them, whatever a header says."""

import io
import struct

import numpy as np
import pytest
from data.signal_toys import film
from data.signal_toys import film_spec as spec

from mmkeras.data import BadSample, SampleIO

av = pytest.importorskip("av")


def read(raw, tmp_path, name="film", **changes):
    """Returns the number of each frame, read from its pixels, and notes."""
    (tmp_path / name).write_bytes(raw)
    found = spec(**changes).read({"x": name}, SampleIO(str(tmp_path)))
    numbers = np.rint(found.value[:, -4, -4, 0] / 20).astype(int)
    return numbers.tolist(), found.notes


@pytest.mark.parametrize(
    "kind, codec, rate",
    [
        ("3gp", "mpeg4", 10),
        ("mp4", "libsvtav1", 10),
        ("mpegts", "libx264", 10),
        ("mpegts", "mpeg2video", 25),
        ("mpeg", "mpeg1video", 25),
        ("mpeg", "mpeg2video", 25),
        ("mpeg2video", "mpeg2video", 25),
        ("asf", "wmv1", 10),
        ("asf", "wmv2", 10),
        ("asf", "msmpeg4", 10),
        ("flv", "flv", 10),
        ("flv", "libx264", 10),
        ("webm", "libvpx", 10),
        ("mov", "mjpeg", 10),
    ],
)
def test_a_film_is_read_by_what_is_in_it(tmp_path, kind, codec, rate):
    size = (64, 64) if codec == "libsvtav1" else (16, 24)
    raw = film(12, kind, codec, *size, rate=rate)
    # What its name promises is another format.
    numbers, notes = read(raw, tmp_path, "a.avi")
    assert numbers == [1, 4, 7, 10] and notes == {}
    found = spec(frames=12).read({"x": "a.avi"}, SampleIO(str(tmp_path)))
    with av.open(io.BytesIO(raw)) as file:
        expected = [
            np.asarray(frame.to_image().resize((24, 16), 2).convert("L"))
            for frame in file.decode(video=0)
        ]
    np.testing.assert_array_equal(found.value[..., 0], expected)


def chunks_of(raw: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Returns where the frames of an AVI start, and each with its name."""
    place, found = raw.index(b"movi") + 4, []
    start = place
    while raw[place : place + 4] == b"00dc":
        size = struct.unpack_from("<I", raw, place + 4)[0]
        found.append((raw[place : place + 4], raw[place + 8 :][:size]))
        place += 8 + size + size % 2
    return start, found


def rebuilt(raw: bytes, change) -> bytes:
    """Returns an AVI whose frames are `change(number, data)`."""
    start, chunks = chunks_of(raw)
    body, index = b"", b""
    for number, (name, data) in enumerate(chunks):
        data = change(number, data)
        index += name + struct.pack("<III", 16, 4 + len(body), len(data))
        body += name + struct.pack("<I", len(data)) + data
        body += b"\0" * (len(data) % 2)
    head = bytearray(raw[:start])
    struct.pack_into("<I", head, start - 8, 4 + len(body))
    made = bytes(head) + body + b"idx1" + struct.pack("<I", len(index)) + index
    return made[:4] + struct.pack("<I", len(made) - 8) + made[8:]


def dropped(raw: bytes, numbers) -> bytes:
    return rebuilt(raw, lambda n, data: b"" if n in numbers else data)


def test_dropped_frames_are_counted_and_the_rest_is_read(tmp_path):
    # A recorder that could not keep up: a header of 100, 80 that decode.
    raw = dropped(film(100), range(3, 100, 5))
    numbers, notes = read(raw, tmp_path, frames=10)
    whole, none = read(film(100), tmp_path, frames=10)
    assert numbers == whole and none == {}
    assert notes == {"frames_lost": 20}
    with pytest.raises(BadSample, match="^truncated: .*80 of 100 frames"):
        read(raw, tmp_path, min_decoded=0.9)


def test_a_frame_that_was_dropped_is_shown_by_the_one_before(tmp_path):
    raw = dropped(film(12), [4, 7, 8])
    assert read(raw, tmp_path) == ([1, 3, 6, 10], {"frames_lost": 3})
    numbers, notes = read(raw, tmp_path, frames=12)
    assert numbers == [0, 1, 2, 3, 3, 5, 6, 6, 6, 9, 10, 11]
    assert notes == {"frames_lost": 3, "frames_repeated": 3}


def with_count(raw: bytes, count: int) -> bytes:
    """An AVI whose header promises `count` frames."""
    raw = bytearray(raw)
    struct.pack_into("<I", raw, raw.index(b"avih") + 8 + 16, count)
    struct.pack_into("<I", raw, raw.index(b"strh") + 8 + 32, count)
    return bytes(raw)


@pytest.mark.parametrize("count, lost", [(15, 3), (12, 0), (5, 0), (1, 0)])
def test_the_header_s_count_is_not_trusted(tmp_path, count, lost):
    numbers, notes = read(with_count(film(12), count), tmp_path)
    assert numbers == [1, 4, 7, 10]
    assert notes == ({"frames_lost": lost} if lost else {})


def test_a_header_of_far_more_is_refused_unless_the_spec_allows_it(tmp_path):
    raw = with_count(film(12), 100)
    with pytest.raises(BadSample, match="^truncated: .*12 of 100 frames"):
        read(raw, tmp_path)
    assert read(raw, tmp_path, min_decoded=0.1)[0] == [1, 4, 7, 10]


def damaged(number: int, data: bytes) -> bytes:
    return b"\xff\xd8" + bytes(len(data) - 2) if number in (4, 7) else data


def test_a_frame_that_does_not_decode_is_left_out(tmp_path):
    raw = rebuilt(film(12), damaged)
    numbers, notes = read(raw, tmp_path, frames=12)
    assert numbers == [0, 1, 2, 3, 3, 5, 6, 6, 8, 9, 10, 11]
    assert notes == {"frames_lost": 2, "frames_repeated": 2}
    with pytest.raises(BadSample, match="^corrupt: .*10 of 12 frames"):
        read(raw, tmp_path, frames=12, min_decoded=0.9)


def test_what_is_built_on_a_damaged_frame_is_left_out_too(tmp_path):
    # Key frames at 0 and 12: of 3 to 11, each is built on the one before.
    raw = rebuilt(
        film(24, "avi", "mpeg4", 64, 96, sc_threshold="1000000000"),
        lambda n, data: data[: len(data) // 2] if n == 3 else data,
    )
    with pytest.raises(BadSample, match="^corrupt: .* of 24 frames"):
        read(raw, tmp_path)
    numbers, notes = read(raw, tmp_path, frames=24, min_decoded=0.5)
    assert set(numbers) <= {0, 1, 2, *(n % 13 for n in range(12, 24))}
    assert notes["frames_lost"] == 9


def test_a_broadcast_cut_in_its_middle_starts_at_the_next_key_frame(tmp_path):
    raw = film(36, "mpegts", "mpeg2video", rate=25)
    late = raw[188 * 40 :]
    with av.open(io.BytesIO(late), format="mpegts") as file:
        shown = [
            round(float(frame.to_ndarray(format="gray")[-4, -4]) / 20)
            for frame in file.decode(video=0)
            if not frame.is_corrupt
        ]
    numbers, _ = read(late, tmp_path, frames=1, min_decoded=0)
    assert numbers[0] in shown


def test_a_film_too_short_for_its_frames_repeats_them_by_count(tmp_path):
    numbers, notes = read(film(2), tmp_path)
    assert numbers == [0, 0, 1, 1] and notes == {"frames_repeated": 2}


@pytest.mark.parametrize(
    "raw",
    [b"GIF89a" + bytes(99), b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WAVEfmt "],
)
def test_what_is_no_film_is_refused_whatever_its_name(tmp_path, raw):
    with pytest.raises(BadSample, match="^wrong_format"):
        read(raw, tmp_path, "a.mp4")


def test_what_was_lost_is_told():
    assert spec().tell({"frames_lost": 20, "frames_repeated": 4}, 10) == [
        "frames lost: 20",
        "frames repeated: 4 (10.0% of 40 frames)",
    ]

"""Files of sound, by their content: soundfile where it can, else PyAV."""

import functools
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np

from mmkeras.data.files.extras import needs
from mmkeras.data.files.media.containers import (
    container_of,
    is_cut,
    open_container,
)
from mmkeras.data.files.media.plain_wavs import BITS, read_plain_wav
from mmkeras.data.files.media.sound_headers import mended
from mmkeras.data.files.memory import check_memory
from mmkeras.data.files.reasons import BadSample, Reason, guarded

MAX_VALUES = 64_000_000
MAX_CHANNELS = 16
RATES_HZ = (1_000, 384_000)
BLOCK = 2**18
# Containers that soundfile does not read, with the decoders that may be used.
PYAV = ("mp4", "matroska", "asf", "flv", "mpegts", "mpeg", "avi", "amr", "aac")
DECODERS = (
    "aac", "ac3", "alac", "amrnb", "amrwb", "eac3", "flac", "libopus",
    "mp2", "mp2float", "mp3", "mp3float", "opus", "pcm_alaw", "pcm_mulaw",
    "pcm_s16be", "pcm_s16le", "pcm_s24le", "pcm_u8", "vorbis", "wmapro",
    "wmav1", "wmav2",
)  # fmt: skip
# By libsndfile's names. What packs 16 bits into 4 is left out.
FORMATS = (
    "AIFF", "AU", "CAF", "FLAC", "MP3", "NIST", "OGG", "RF64", "W64", "WAV",
    "WAVEX",
)  # fmt: skip
CODES = (
    "PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE",
    "ULAW", "ALAW", "VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II",
    "MPEG_LAYER_III", "ALAC_16", "ALAC_20", "ALAC_24", "ALAC_32",
)  # fmt: skip
# What libsndfile tells of a FLAC from a pipe, which has no length.
ENDLESS = 2**62
KNOWN = (
    b"RIFF", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b".snd", b"caff",
    b"NIST", b"ID3", b"\xff",
)  # fmt: skip


@dataclass(frozen=True)
class Sound:
    """A recording as its file holds it.

    Args:
        values: `(frames, channels)` float32; full scale is 1.
        rate_hz: Frames a second.
        notes: What was not as its header says, counted.
    """

    values: np.ndarray
    rate_hz: int
    notes: dict[str, int] = field(default_factory=dict)


def read_sound(raw: bytes, name: str) -> Sound:
    """Reads a file of sound by what is in it, not by what it is called.

    WAV (PCM, float, mu-law, A-law), RF64, W64, AIFF, AU, CAF, NIST Sphere,
    FLAC, MP3, Ogg (Vorbis, Opus, FLAC) as soundfile does; M4A, AAC, WebM, WMA,
    AMR and the sound of films as PyAV does.

    Args:
        raw: The file's bytes.
        name: Its name, for messages.

    Raises:
        BadSample: With the reason, if it is broken, too large or of a format
            that is not read.
    """
    plain = read_plain_wav(raw)
    if plain is not None:
        values, rate = plain
        _check_shape(rate, values.shape[1], name)
        _check_size(*values.shape, name)
        return Sound(values.astype(np.float32) / 2 ** (BITS - 1), rate)
    kind = container_of(raw)
    if kind in PYAV:
        found = _read_by_pyav(raw, kind, name)
    else:
        found = _read_by_soundfile(raw, name)
    if not len(found.values):
        raise BadSample(Reason.EMPTY, f"{name!r}: 0 frames")
    if not np.isfinite(found.values).all():
        raise BadSample(Reason.NOT_FINITE, f"{name!r}")
    return found


def _read_by_soundfile(raw: bytes, name: str) -> Sound:
    import soundfile

    raw, unknown = mended(raw, name)
    try:
        with _stream_class()(_Bytes(raw)) as file:
            _check_header(file, name)
            promised, rate = file.frames, file.samplerate
            # Without this header, an MP3's length is a guess of the library.
            guessed = file.format == "MP3" and not _has_length(raw)
            if guessed or promised >= ENDLESS:
                values = _joined(_blocks(file), file.channels, name)
            else:
                values = file.read(promised, "float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        # As "Format not recognised", or "unimplemented format".
        other = "format" in error.error_string.lower()
        known = raw.startswith(KNOWN) and not other
        reason = Reason.CORRUPT if known else Reason.WRONG_FORMAT
        detail = f"{name!r}: {error.error_string}"
        raise BadSample(reason, detail) from None
    if len(values) < promised < ENDLESS and not guessed:
        raise BadSample(
            Reason.TRUNCATED, f"{name!r}: {len(values)} of {promised} frames"
        )
    unknown = unknown or promised >= ENDLESS
    return Sound(values, rate, {"length_unknown": 1} if unknown else {})


class _Bytes(BytesIO):
    """Bytes for libsndfile, which may seek before the start of a damaged file.

    What is raised inside its call is printed and lost; a place that is not
    the one asked for it takes for an error.
    """

    def seek(self, place: int, whence: int = 0) -> int:
        try:
            return super().seek(place, whence)
        except ValueError:
            return self.tell()


@functools.cache
def _stream_class() -> type:
    import soundfile

    class Stream(soundfile.SoundFile):
        """Reads on without a look back, which a FLAC of no length refuses."""

        def seekable(self) -> bool:
            return False

    return Stream


def _check_header(file, name: str) -> None:
    if file.format not in FORMATS or file.subtype not in CODES:
        raise BadSample(
            Reason.WRONG_FORMAT, f"{name!r} is {file.format} {file.subtype}"
        )
    _check_shape(file.samplerate, file.channels, name)
    if file.frames <= 0:
        raise BadSample(Reason.EMPTY, f"{name!r}: {file.frames} frames")
    if file.frames < ENDLESS:
        _check_size(file.frames, file.channels, name)


def _check_shape(rate: int, channels: int, name: str) -> None:
    if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: {rate} Hz")
    if not 1 <= channels <= MAX_CHANNELS:
        raise BadSample(Reason.BAD_HEADER, f"{name!r}: {channels} channels")


def _check_size(frames: int, channels: int, name: str) -> None:
    if frames * channels > MAX_VALUES:
        raise BadSample(
            Reason.TOO_LARGE,
            f"{name!r}: {frames:,} frames of {channels} channels, at most "
            f"{MAX_VALUES:,} values",
        )
    # As float32, and once more while it is scaled or put together.
    check_memory(8 * frames * channels, repr(name))


def _blocks(file) -> Iterator[np.ndarray]:
    while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
        yield block


def _joined(
    blocks: Iterable[np.ndarray], channels: int, name: str
) -> np.ndarray:
    """Puts blocks `(frames, channels)` together, as many as are allowed."""
    found, count = np.empty((BLOCK, channels), np.float32), 0
    for block in blocks:
        _check_size(count + len(block), channels, name)
        if count + len(block) > len(found):
            size = max(2 * len(found), count + len(block))
            larger = np.empty((size, channels), np.float32)
            larger[:count] = found[:count]
            found = larger
        found[count : count + len(block)] = block
        count += len(block)
    return found[:count]


def _has_length(raw: bytes) -> bool:
    """Returns whether the first frame of an MP3 tells how many follow."""
    start = 0
    if raw.startswith(b"ID3"):
        sizes = raw[6:10].ljust(4, b"\0")
        start = 10 + sum(b << 7 * (3 - i) for i, b in enumerate(sizes))
    head = raw[start : start + 200]
    return any(tag in head for tag in (b"Xing", b"Info", b"VBRI"))


def _read_by_pyav(raw: bytes, kind: str, name: str) -> Sound:
    av = needs("av", "audio")
    if kind == "mp4" and is_cut(raw):
        raise BadSample(Reason.TRUNCATED, f"{name!r}: its last box is cut")
    with (
        guarded(Reason.CORRUPT, repr(name)),
        open_container(av, raw, kind) as file,
    ):
        if not file.streams.audio:
            raise BadSample(Reason.EMPTY, f"{name!r}: no sound")
        stream = file.streams.audio[0]
        coded = stream.codec_context
        if coded.name not in DECODERS:
            raise BadSample(Reason.WRONG_FORMAT, f"{name!r}: {coded.name}")
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
            _check_size(round(seconds * coded.rate), coded.channels, name)
        frames = _frames(av, file, stream, name)
        first = next(frames, None)
        if first is None:
            raise BadSample(Reason.EMPTY, f"{name!r}: 0 frames")
        shape, block = first
        _check_shape(*shape, name)
        blocks = itertools.chain([block], _alike(frames, shape, name))
        values = _joined(blocks, shape[1], name)
    return Sound(values, shape[0])


def _frames(av, file, stream, name: str) -> Iterator[tuple]:
    """Yields rate and channels, and samples `(frames, channels)` float32."""
    floats = av.AudioResampler(format="fltp")
    for frame in file.decode(stream):
        if frame.is_corrupt:
            raise BadSample(Reason.CORRUPT, f"{name!r}: damaged")
        shape = frame.sample_rate, frame.layout.nb_channels
        for one in floats.resample(frame):
            yield shape, one.to_ndarray().T


def _alike(frames: Iterator, shape: tuple, name: str) -> Iterator[np.ndarray]:
    for other, block in frames:
        if other != shape:
            raise BadSample(
                Reason.CORRUPT, f"{name!r}: rate or channels change inside"
            )
        yield block

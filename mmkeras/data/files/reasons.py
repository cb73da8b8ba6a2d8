"""Why a sample is left out: the reason codes and the quarantine file."""

import contextlib
import enum
from collections.abc import Iterator
from pathlib import Path

from mmkeras.artefact import write_csv
from mmkeras.data.files.memory import NotEnoughMemory

HEADER = ("id", "modality", "reason", "detail")


class Reason(enum.StrEnum):
    """What is wrong with one modality, target or path of one sample."""

    MISSING = "missing"  # a required modality has no value
    PATH_INVALID = "path_invalid"  # NUL byte, URL, absolute path, too long
    PATH_OUTSIDE = "path_outside"  # `..` or a link that leaves the data root
    NOT_FOUND = "not_found"
    NOT_A_FILE = "not_a_file"  # folder, FIFO, socket, device
    UNREADABLE = "unreadable"  # permission or disk error
    TOO_LARGE = "too_large"  # bytes, pixels or audio values above the cap
    EMPTY = "empty"  # no bytes, no sound, no token
    WRONG_FORMAT = "wrong_format"  # ADPCM, a report, what nobody here reads
    ANIMATED = "animated"
    WRONG_SIZE = "wrong_size"  # with `resize = "refuse"`
    BAD_HEADER = "bad_header"  # rate, channels or size impossible
    TRUNCATED = "truncated"  # fewer data than the header declares
    CORRUPT = "corrupt"  # the decoder gave up
    TOO_SHORT = "too_short"  # a sound of no duration
    TOO_LOUD = "too_loud"  # samples far above full scale
    SILENT = "silent"  # one level from end to end
    CANCELLED = "cancelled"  # channels in antiphase, nothing left when mixed
    BAD_UNIT = "bad_unit"  # in another unit than the rest
    NOT_FINITE = "not_finite"  # NaN or infinity
    NO_RANGE = "no_range"  # 32-bit pixels, and no key says which are white
    BAD_UTF8 = "bad_utf8"
    NOT_A_NUMBER = "not_a_number"
    ROW_OUT_OF_RANGE = "row_out_of_range"  # no such row in the .npy file
    BAD_LABEL = "bad_label"  # what a kind of target refuses
    UNKNOWN_CLASS = "unknown_class"
    OUTSIDE_ALPHABET = "outside_alphabet"  # a letter that the spec lacks
    TOO_LONG = "too_long"  # a transcript of more symbols than there is room
    BOX_EMPTY = "box_empty"  # a box of no area
    BOX_OUTSIDE = "box_outside"  # a box with nothing of it in the picture
    SPAN_EMPTY = "span_empty"  # a span of no character, or of no token
    SPAN_OUTSIDE = "span_outside"  # a span that is not in the text
    SPAN_IN_TOKEN = "span_in_token"  # a span of a part of a token
    SPANS_OVERLAP = "spans_overlap"  # two spans of the same characters
    DUPLICATE = "duplicate"  # the same as another one, and not wanted twice
    UNKNOWN_SPLIT = "unknown_split"


class BadSample(ValueError):
    """One modality or target of one sample cannot be used.

    Args:
        reason: Its code.
        detail: What was found, for a person.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


@contextlib.contextmanager
def guarded(reason: Reason, where: str) -> Iterator[None]:
    """Turns what a library raises when it is fed with damage into BadSample.

    That may be anything at all, and its text may quote the file; so only the
    error's name is told.

    Args:
        reason: The reason to give.
        where: The file, for a person.
    """
    try:
        yield
    except (BadSample, NotEnoughMemory):
        raise
    except Exception as error:
        detail = f"{where}: {type(error).__name__}"
        raise BadSample(reason, detail) from None


def check_suffix(name: str, formats: dict[str, str]) -> str:
    """Returns the format that the name of a file promises."""
    suffix = Path(name).suffix.lower()
    if suffix not in formats:
        raise BadSample(
            Reason.WRONG_FORMAT,
            f"{name!r} must end in {', '.join(sorted(formats))}",
        )
    return formats[suffix]


def write_quarantine(path, rows: list[tuple[str, str, str, str]]) -> None:
    """Writes rows of (id, modality, reason, detail) as CSV, atomically."""
    write_csv(
        path, (dict(zip(HEADER, row, strict=True)) for row in rows), HEADER
    )

"""Text that is no UTF-8, and what it may be instead."""

from collections.abc import Collection

from mmkeras.data.files.reasons import BadSample, Reason

# Byte order marks; the longer ones first, as one begins with another.
MARKS = {
    b"\xff\xfe\x00\x00": "utf-32", b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16",
}  # fmt: skip
# What a table or a file is written in where it is not UTF-8.
ENCODINGS = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp437", "mac_roman",
    "gb18030", "big5", "cp932", "cp949",
)  # fmt: skip
SHOWN = 60


def decode_utf8(raw: bytes, name: str = "") -> str:
    """Returns the text of bytes that must be UTF-8.

    Args:
        raw: The bytes, with or without a byte order mark.
        name: The file, for a person.

    Raises:
        BadSample: If they are something else; it names what they may be.
    """
    try:
        return check_utf8(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        where = f"{name!r}: " if name else ""
        detail = f"{where}byte {error.start} is no UTF-8{_guess(raw)}"
        raise BadSample(Reason.BAD_UTF8, detail) from None


def is_utf8(text: str) -> bool:
    """Whether a cell of the manifest has no byte that was no UTF-8."""
    # ASCII is most of what there is, and this the fastest test of it.
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def check_utf8(text: str, known: Collection[str] = ()) -> str:
    """Returns a cell of the manifest; raises BadSample if it was no UTF-8.

    A byte that is none stands in the cell as a lone surrogate.

    Args:
        text: The cell.
        known: What it should be one of; it shows the encoding.

    Example:

    >>> check_utf8("K\\udcf6ln")
    Traceback (most recent call last):
    mmkeras.data.files.reasons.BadSample: bad_utf8: b'K\\xf6ln'; in cp1252 it \
is 'Köln' (`data.encoding`)
    """
    if is_utf8(text):
        return text
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Half of a pair of UTF-16, which is in no encoding.
        raise BadSample(Reason.BAD_UTF8, ascii(text[:SHOWN])) from None
    guess = _guess(raw, known)
    how = " (`data.encoding`)" if guess else ""
    raise BadSample(Reason.BAD_UTF8, f"{raw[:SHOWN]!r}{guess}{how}")


def _guess(raw: bytes, known: Collection[str] = ()) -> str:
    """Returns what an error says of the encoding; nothing if it is open."""
    for mark, encoding in MARKS.items():
        if raw.startswith(mark):
            return f"; it begins as {encoding} does"
    for encoding in ENCODINGS if known else ():
        if (found := _decoded(raw, encoding)) in known:
            return f"; in {encoding} it is {found!r}"
    high = sum(byte >= 0x80 for byte in raw)
    letters = high + sum(chr(byte).isalpha() for byte in raw if byte < 0x80)
    # Few letters of a Western text have accents; all of a Russian one are
    # in the upper half. Chinese, Japanese and Korean look too much alike.
    encoding = "cp1252" if high <= letters / 2 else "cp1251"
    cyrillic = all(b < 0x80 or b >= 0xC0 or b in b"\xa8\xb8" for b in raw)
    found = _decoded(raw, encoding)
    if found is None or (encoding == "cp1251" and not cyrillic):
        return ""
    return f"; in {encoding} it is {found[:SHOWN]!r}"


def _decoded(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None

"""Units of channels: which are the same, and how many of one make another."""

# The sign for micro, and the Greek letter, which looks the same.
MICRO = ("\u00b5", "\u03bc")
PREFIXES = {
    "": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "c": 1e-2, "d": 1e-1, "h": 1e2,
    "k": 1e3, "M": 1e6, "G": 1e9,
}  # fmt: skip
# What may have a prefix; of others, such as mmHg, the letters are their own.
BASES = {"V", "A", "m", "g", "s", "Hz", "Pa", "T", "W", "J", "N", "L", "l",
         "bar", "Ohm", "S", "F", "m/s", "m/s^2", "m/s2", "rad"}  # fmt: skip
TIMES = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3,
    "msec": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0,
}  # fmt: skip


def plain_unit(text: str | None) -> str | None:
    """Returns a unit without brackets, and with "u" for micro; None: none.

    Example:

    >>> plain_unit("[\u00b5V]")
    'uV'
    """
    unit = (text or "").strip(" \t'\"[]()")
    for micro in MICRO:
        unit = unit.replace(micro, "u")
    return unit.replace("\u2126", "Ohm").replace("\u03a9", "Ohm") or None


def unit_scale(stated: str, wanted: str) -> float | None:
    """Returns how many of one unit another is; None where it is no such kind.

    Example:

    >>> unit_scale("V", "mV")
    1000.0
    """
    stated, wanted = plain_unit(stated), plain_unit(wanted)
    if stated == wanted:
        return 1.0
    for base in BASES:
        pair = [_prefix(unit or "", base) for unit in (stated, wanted)]
        if None not in pair:
            # Powers of ten are kept exact this way round.
            first, second = (PREFIXES[prefix] for prefix in pair)
            return float(f"{first / second:.12g}")
    return None


def _prefix(unit: str, base: str) -> str | None:
    prefix = unit.removesuffix(base)
    return prefix if unit.endswith(base) and prefix in PREFIXES else None

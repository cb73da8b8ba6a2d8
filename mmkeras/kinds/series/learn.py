"""The units of the training split, where the spec declares none."""

from collections.abc import Mapping, Sequence

from mmkeras.data import BadSample, SampleIO
from mmkeras.data.files.signals import (
    units_of_edf,
    units_of_text,
    units_of_wfdb,
)
from mmkeras.kinds.series import Series
from mmkeras.kinds.series.read import is_record
from mmkeras.spec import Learned

HEAD_BYTES = 2**16
BINARY = (b"\x93NUMPY", b"PAR1", b"PK\3\4", b"MATLAB ")


def learn(
    modality: Series, cells: Mapping[str, Sequence[str]], io: SampleIO
) -> Learned | None:
    """Returns the unit of each channel, None where no file states one.

    Raises:
        ValueError: If two files state different units: which is meant is for
            a person to say.
    """
    if modality.units is not None:
        return None
    found: dict[str, tuple[str, str]] = {}
    for name in cells[modality.column]:
        if not name.strip():
            continue
        try:
            units = _units_of(modality, io, name)
        except BadSample:
            continue  # `read` quarantines it
        for channel, unit in zip(modality.channels, units, strict=True):
            if unit is None:
                continue
            first, where = found.setdefault(channel, (unit, name))
            if first != unit:
                raise ValueError(
                    f"`units` of `{io.name}` must be declared where files "
                    f"differ. Received: {channel!r} in {first} ({where!r}) "
                    f"and in {unit} ({name!r})"
                )
    if not found:
        return None
    units = [found.get(c, (None,))[0] for c in modality.channels]
    return Learned({"units": units})


def _units_of(modality: Series, io: SampleIO, name: str) -> Sequence:
    if is_record(name):
        return units_of_wfdb(io, name.removesuffix(".hea"), modality.channels)
    with io.open(name) as file:
        raw = file.read(HEAD_BYTES)
    if raw.startswith((b"0       ", b"\xffBIOSEMI")):
        return units_of_edf(raw, name, modality.channels)
    if raw.startswith(BINARY) or name.lower().endswith(".mat"):
        return (None,) * len(modality.channels)
    return units_of_text(
        raw, name, modality.channels, modality.separator, modality.decimal
    )

"""Columns of Parquet files."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np

from mmkeras.data.files.reasons import BadSample, Reason, guarded
from mmkeras.data.files.resampling import check_size
from mmkeras.data.files.signals.columns import numbers_of, texts_or_numbers
from mmkeras.data.files.signals.recording import Signals, places

# Of a number or a time, written as a text.
MAX_CELL_BYTES = 256


def read_parquet(
    raw: bytes,
    name: str,
    channels: Sequence[str],
    time: str | None,
    decimal: str | None,
) -> tuple[Signals, np.ndarray | None]:
    """Reads channels, and the column of times where one is asked for."""
    from pyarrow import parquet

    wanted = [*channels, *([time] if time else [])]
    with guarded(Reason.CORRUPT, repr(name)):
        file = parquet.ParquetFile(BytesIO(raw))
        places(file.schema_arrow.names, wanted, name)
        check_size(file.metadata.num_rows * len(wanted), name)
        # A long text that is repeated takes next to nothing in the file.
        file = parquet.ParquetFile(BytesIO(raw), read_dictionary=wanted)
        table = file.read(columns=wanted, use_threads=False)
        for column in table.columns:
            _check_cells(column, name)
    notes = {}
    values = [
        numbers_of(table[channel], decimal, place, notes, name)
        for place, channel in enumerate(channels)
    ]
    times = texts_or_numbers(table[time], decimal, notes) if time else None
    return Signals(np.stack(values, axis=1), notes=notes), times


def _check_cells(column, name: str) -> None:
    """Raises BadSample if a text is longer than any number or time."""
    import pyarrow
    from pyarrow import compute

    kinds, kind = pyarrow.types, getattr(column.type, "value_type", None)
    if not kinds.is_dictionary(column.type) or not (
        kinds.is_string(kind) or kinds.is_binary(kind)
    ):
        return
    for chunk in column.chunks:
        longest = compute.max(compute.binary_length(chunk.dictionary)).as_py()
        if (longest or 0) > MAX_CELL_BYTES:
            raise BadSample(
                Reason.NOT_A_NUMBER,
                f"{name!r}: a cell of {longest:,} bytes, at most "
                f"{MAX_CELL_BYTES}",
            )

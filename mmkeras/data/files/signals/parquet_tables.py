"""Columns of Parquet files."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np

from mmkeras.data.files.reasons import Reason, guarded
from mmkeras.data.files.resampling import check_size
from mmkeras.data.files.signals.columns import numbers_of, texts_or_numbers
from mmkeras.data.files.signals.recording import Signals, places


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
        table = file.read(columns=wanted, use_threads=False)
    notes = {}
    values = [
        numbers_of(table[channel], decimal, place, notes, name)
        for place, channel in enumerate(channels)
    ]
    times = texts_or_numbers(table[time], decimal, notes) if time else None
    return Signals(np.stack(values, axis=1), notes=notes), times

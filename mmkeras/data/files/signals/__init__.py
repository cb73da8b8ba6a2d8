"""Recordings of sensors in every format, with their units and times."""

from mmkeras.front_doors import front_door

_HOME = {
    "Signals": "recording",
    "read_edf": "edf",
    "read_mat": "matlab",
    "read_npy": "array_files",
    "read_npz": "array_files",
    "read_parquet": "parquet_tables",
    "read_text": "text_tables",
    "read_wfdb": "wfdb_records",
    "record_files": "wfdb_records",
    "seconds_of": "times",
    "times_in_order": "times",
    "unit_scale": "units",
    "units_of_edf": "edf",
    "units_of_text": "text_tables",
    "units_of_wfdb": "wfdb_records",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)

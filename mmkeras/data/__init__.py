"""From a manifest of files to `tf.data`.

The files read in the order in which a sample travels: `manifest`, `split`,
`decode`, `tokens`, `records`, `shards`, `workers`, `ingest` (which is
`prepare`), `load` and `augment`. Importing this package does not import
TensorFlow; only `load_data` does.
"""

import importlib

# No module is called `prepare`: importing it would hide the function.
_HOME = {
    "prepare": "ingest",
    "load_data": "load",
    "Data": "load",
    "decode_file": "decode",
    "encode_texts": "tokens",
    "Reason": "reasons",
}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOME[name]}")
    return getattr(module, name)

"""From a manifest of files to `tf.data`.

The files read in the order in which a sample travels: `manifest`, `split`,
`learning`, `samples`, `records`, `shards`, `workers`, `ingest` (which is
`prepare`), `load` and `augment`. How a kind is read stands in its folder of
`mmkeras.kinds`. Importing this package does not import TensorFlow; only
`load_data` does.
"""

import importlib

# No module is called `prepare`: importing it would hide the function.
_HOME = {
    "BadSample": "reasons",
    "Data": "load",
    "Reason": "reasons",
    "SampleIO": "source",
    "SampleReader": "samples",
    "augmenter": "augment",
    "check_suffix": "reasons",
    "decode_file": "decode",
    "decode_value": "decode",
    "encode_texts": "tokens",
    "guarded": "reasons",
    "learned_file": "learning",
    "load_learned": "learning",
    "known_moments": "statistics",
    "known_sums": "statistics",
    "load_data": "load",
    "merge_sums": "statistics",
    "needs": "extras",
    "prepare": "ingest",
    "read_npy_header": "arrays",
    "settings_of": "augment",
    "stronger": "views",
    "to_model": "stored",
    "whole_moments": "statistics",
    "whole_sums": "statistics",
}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOME[name]}")
    return getattr(module, name)

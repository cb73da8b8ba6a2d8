"""Checks of an untrusted config: only layers and their parts may be named."""

import importlib
import inspect
import json
import re
from typing import Any

import keras

from mmkeras import keras_private as private
from mmkeras.model.inspect_graph import check_graph
from mmkeras.model.inspect_hub import FUNCTIONS, check_hub_class, of_hub

MAX_CONFIG_BYTES = 8_000_000
# Braces, brackets and commas; each may become a Python object of 200 bytes.
MAX_TOKENS = 500_000
MAX_DEPTH = 100
# Sizes of tables that are computed from the config alone.
MAX_SIZES = {
    "fft_length": 16_384,
    "frame_length": 16_384,
    "mel_bands": 512,
    "num_mel_bins": 512,
    "num_thresholds": 10_000,
}

# Code in the file, code beside the file, or files read at load.
REFUSED = {
    "FeatureSpace",
    "FlaxLayer",
    "IndexLookup",
    "IntegerLookup",
    "JaxLayer",
    "Lambda",
    "StringLookup",
    "TFSMLayer",
    "TextVectorization",
    "TorchModuleWrapper",
    "__lambda__",
    "__typespec__",
}
VALUES = {
    "__bytes__",
    "__ellipsis__",
    "__keras_tensor__",
    "__numpy__",
    "__slice__",
    "__tensor__",
}
PUBLIC = {
    "keras",
    "keras.constraints",
    "keras.dtype_policies",
    "keras.initializers",
    "keras.layers",
    "keras.losses",
    "keras.metrics",
    "keras.models",
    "keras.optimizers",
    "keras.optimizers.schedules",
    "keras.quantizers",
    "keras.random",
    "keras.regularizers",
}
BASES = (
    keras.Operation,
    keras.Initializer,
    keras.Loss,
    keras.Metric,
    keras.Optimizer,
    keras.Quantizer,
    keras.Regularizer,
    keras.constraints.Constraint,
    keras.dtype_policies.DTypePolicy,
    keras.quantizers.QuantizationConfig,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.random.SeedGenerator,
)
NUMBERS = re.compile(r"(u?int|b?float|complex)\d*|bool")


def check_config(data: bytes) -> None:
    """Checks each entry of a `config.json`, at any depth.

    Args:
        data: The file's bytes.

    Raises:
        ValueError: If the config is too big, is not JSON, or names anything
            but Keras' own layers and what is registered.
    """
    tokens = sum(data.count(each) for each in (b"{", b"[", b","))
    if len(data) > MAX_CONFIG_BYTES or tokens > MAX_TOKENS:
        raise ValueError(
            f"a config of {len(data):,} bytes with {tokens:,} entries; at "
            f"most {MAX_CONFIG_BYTES:,} with {MAX_TOKENS:,}"
        )
    try:
        config = json.loads(data)
    except RecursionError:
        raise ValueError("a config nested too deeply to read") from None
    if not isinstance(config, dict):
        raise ValueError("a config that is no JSON object")
    # Loaded with `compile=False`, which never reads it.
    config.pop("compile_config", None)
    waiting = [("", config, 0)]
    while waiting:
        key, value, depth = waiting.pop()
        check_value(key, value, depth)
        if isinstance(value, dict):
            if "class_name" in value:
                check_class(value)
            check_graph(value)
            waiting += [(k, v, depth + 1) for k, v in value.items()]
        elif isinstance(value, list):
            waiting += [(key, v, depth + 1) for v in value]


def check_value(key: str, value: Any, depth: int) -> None:
    """Raises ValueError for what is too deep, too large, or leads out."""
    if depth > MAX_DEPTH:
        raise ValueError(f"a config nested more than {MAX_DEPTH} deep")
    limit = MAX_SIZES.get(key)
    if limit and isinstance(value, (int, float)) and value > limit:
        raise ValueError(f"`{key}` {value:,} in the config; at most {limit:,}")
    if key == "stateful" and value:
        raise ValueError("a stateful layer, which holds arrays of its batch")
    if key == "name" and isinstance(value, str):
        if not value.isprintable() or "\\" in value or ".." in value.split("/"):
            raise ValueError(f"the name {value!r} in the config")


def check_class(entry: dict) -> None:
    """Raises ValueError unless an entry is of a known class."""
    name, module = entry["class_name"], entry.get("module")
    registered = entry.get("registered_name", name)
    if not isinstance(name, str) or name in REFUSED:
        raise ValueError(f"a config with {name!r}, which can run foreign code")
    if name in VALUES:
        return check_literal(name, entry.get("config"))
    if name == "function":
        return check_function(entry.get("config"))
    if of_hub(module, registered):
        return check_hub_class(module, name, registered)
    if _registered(registered) is None:
        found = _keras_class(module, name)
        if found is None or {c.__name__ for c in found.__mro__} & REFUSED:
            raise ValueError(
                f"a config with the class {name!r} of {module!r}, which is "
                "neither one of Keras' layers nor registered. Import the "
                "module that registers it "
                "(`keras.saving.register_keras_serializable`) first"
            )
    elif "Tokenizer" in str(registered):
        raise ValueError(f"a config with {registered!r}, which reads files")
    return None


def check_function(name: Any) -> None:
    """Raises ValueError unless a function is one that layers apply."""
    found = _registered(name)
    known = inspect.isfunction(found)
    if not known or of_hub(None, name) and name not in FUNCTIONS:
        raise ValueError(
            f"a config with the function {name!r} as an object. Only "
            "registered functions are accepted"
        )


def check_literal(name: str, config: Any) -> None:
    """Raises ValueError for an array that is larger than what is written."""
    if name in ("__numpy__", "__tensor__"):
        dtype = config.get("dtype") if isinstance(config, dict) else None
        if not NUMBERS.fullmatch(str(dtype)):
            raise ValueError(f"a config with an array of type {dtype!r}")


def _registered(name: Any) -> Any:
    if not isinstance(name, str):
        return None
    return keras.saving.get_registered_object(name)


def _keras_class(module: Any, name: str) -> type | None:
    """Returns one of Keras' own classes that models are made of, or None."""
    if not isinstance(module, str) or not name.isidentifier():
        return None
    if module not in PUBLIC and not module.startswith(private.SAVED_MODULES):
        return None
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    known = inspect.isclass(found) and issubclass(found, BASES)
    return found if known else None

"""The classes of keras_hub that an untrusted config may name."""

import importlib
import inspect
import re
from typing import Any

import keras

MODULES = re.compile(r"keras_hub\.src\.(layers\.modeling|models)\.[a-z0-9_.]+")
# Tokenizers and converters are layers too, and read files.
PREPROCESSING = "PreprocessingLayer"
REGISTERED = ("keras_hub>", "keras_nlp>")
# keras_hub registers functions that read files as well.
FUNCTIONS = {f"{package}gelu_approximate" for package in REGISTERED}


def of_hub(module: Any, registered: Any) -> bool:
    """Tells whether an entry names anything of keras_hub."""
    package = str(module).split(".")[0]
    return package in ("keras_hub", "keras_nlp") or str(registered).startswith(
        REGISTERED
    )


def check_hub_class(module: Any, name: str, registered: Any) -> None:
    """Raises ValueError unless an entry is a layer or backbone of keras_hub.

    Its module is imported, since Keras would do the same a moment later.
    """
    found = _find(module, name)
    kinds = {c.__name__ for c in getattr(found, "__mro__", ())}
    # What is registered goes before what the module holds.
    known = keras.saving.get_registered_object(str(registered)) in (None, found)
    # Of models, a backbone alone: a task brings its preprocessing with it.
    good = "Backbone" in kinds or "Layer" in kinds and "Model" not in kinds
    if not good or PREPROCESSING in kinds or not known:
        raise ValueError(
            f"a config with the class {name!r} of {module!r}, which is none "
            "of the layers and backbones of keras_hub that compute"
        )


def _find(module, name):
    if not MODULES.fullmatch(str(module)) or not name.isidentifier():
        return None
    try:
        found = vars(importlib.import_module(module)).get(name)
    except ImportError:
        return None
    return found if inspect.isclass(found) else None

"""mmkeras: from samples in several modalities to a verified file on a device.

Everything here is an ordinary Keras model or an ordinary `tf.data.Dataset`.
Names, and the rooms they are in, such as `mmkeras.fusion.MulT`, are imported
when first used, since TensorFlow takes seconds to start.

>>> import mmkeras
>>> data = mmkeras.load_data("build/demo/data")
>>> model, heads = mmkeras.build_from_recipe(data.spec, data.statistics, {})
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Categories": "heads",
    "Category": "heads",
    "ComponentPretrain": "training",
    "Concat": "fusion",
    "CrossAttention": "fusion",
    "DataSpec": "spec",
    "Embedding": "heads",
    "FullFineTune": "training",
    "Fusion": "fusion",
    "Gated": "fusion",
    "InferredSpec": "data",
    "Label": "spec",
    "Modality": "spec",
    "Number": "heads",
    "Ordinal": "heads",
    "Sample": "spec",
    "Sequence": "heads",
    "Target": "spec",
    "as_tower": "towers",
    "audio_tower": "towers",
    "build_from_recipe": "runs",
    "build_model": "model",
    "check_fusion": "checks",
    "check_kind": "checks",
    "check_tower": "checks",
    "evaluate": "evaluation",
    "image_tower": "towers",
    "infer_spec": "data",
    "inspect": "studies.data_report",
    "load_data": "data",
    "load_model": "model",
    "load_spec": "spec",
    "points_tower": "towers",
    "prepare": "data",
    "register_modality": "spec",
    "register_target": "spec",
    "registrations": "spec",
    "series_tower": "towers",
    "text_tower": "towers",
    "vector_tower": "towers",
    "video_tower": "towers",
    "volume_tower": "towers",
}

_ROOMS = (
    "checks",
    "compress",
    "data",
    "evaluation",
    "export",
    "fusion",
    "generation",
    "heads",
    "kinds",
    "metrics",
    "model",
    "reporting",
    "runs",
    "spec",
    "studies",
    "towers",
    "training",
)

__all__ = ["__version__", *_HOME, *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"mmkeras.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'mmkeras' has no attribute '{name}'")
    return getattr(importlib.import_module(f"mmkeras.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_ROOMS})

"""The data spec: which modalities and targets a data set has, and its split.

A spec is one TOML file (see `data_specs/README.md` for every key). It is read
once, checked strictly, and never changes afterwards.
"""

from mmkeras.spec.dataspec import DataSpec, load_spec
from mmkeras.spec.modalities import Audio, Image, ModalitySpec, Text, Vector
from mmkeras.spec.signals import Series, Video, Volume
from mmkeras.spec.tables import DataFiles, Split
from mmkeras.spec.targets import (
    Categories,
    Category,
    Embedding,
    Number,
    Ordinal,
    Sequence,
    TargetSpec,
)
from mmkeras.spec.toml import nearest, read_toml

__all__ = [
    "Audio",
    "Categories",
    "Category",
    "DataFiles",
    "DataSpec",
    "Embedding",
    "Image",
    "ModalitySpec",
    "Number",
    "Ordinal",
    "Sequence",
    "Series",
    "Split",
    "TargetSpec",
    "Text",
    "Vector",
    "Video",
    "Volume",
    "load_spec",
    "nearest",
    "read_toml",
]

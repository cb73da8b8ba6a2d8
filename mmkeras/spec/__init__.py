"""The data spec: which modalities and targets a data set has, and its split.

A spec is one TOML file (see `data_specs/README.md` for every key). It is read
once, checked strictly, and never changes afterwards.
"""

from mmkeras.arguments import nearest
from mmkeras.spec.answers import Label
from mmkeras.spec.dataspec import RESERVED, DataSpec, load_spec
from mmkeras.spec.guesses import Guess, SeenColumn, most, spread
from mmkeras.spec.kind import Kind
from mmkeras.spec.modality import (
    Augmentation,
    Corruption,
    Fingerprint,
    Learned,
    Modality,
    Profile,
    Sample,
    Stored,
)
from mmkeras.spec.registry import (
    MODALITIES,
    TARGETS,
    register_modality,
    register_target,
    registrations,
)
from mmkeras.spec.tables import DataFiles, Split
from mmkeras.spec.target import Target
from mmkeras.spec.toml import read_toml

__all__ = [
    "Augmentation",
    "Corruption",
    "DataFiles",
    "DataSpec",
    "Fingerprint",
    "Guess",
    "Kind",
    "Label",
    "Learned",
    "MODALITIES",
    "RESERVED",
    "Modality",
    "Profile",
    "Sample",
    "SeenColumn",
    "Split",
    "Stored",
    "TARGETS",
    "Target",
    "load_spec",
    "most",
    "nearest",
    "read_toml",
    "register_modality",
    "register_target",
    "registrations",
    "spread",
]

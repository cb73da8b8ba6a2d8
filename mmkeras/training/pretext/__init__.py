"""Pretraining one tower by itself, without labels."""

from mmkeras.training.pretext.image_views import PictureViews
from mmkeras.training.pretext.modality_support import Unsupervised
from mmkeras.training.pretext.objectives import (
    OBJECTIVES,
    check_objective,
    kind_of,
    pretext_model,
)
from mmkeras.training.pretext.patches import Shrink
from mmkeras.training.pretext.reconstruction_targets import (
    Known,
    OneHot,
    Repeat,
    Spectrum,
    SymLog,
    output_inside,
    standardised,
)
from mmkeras.training.pretext.unlabelled import Unlabelled
from mmkeras.training.pretext.views import CellViews, SoundViews, TextViews

__all__ = [
    "CellViews",
    "Known",
    "OBJECTIVES",
    "OneHot",
    "PictureViews",
    "Repeat",
    "Shrink",
    "SoundViews",
    "Spectrum",
    "SymLog",
    "TextViews",
    "Unlabelled",
    "Unsupervised",
    "check_objective",
    "kind_of",
    "output_inside",
    "pretext_model",
    "standardised",
]

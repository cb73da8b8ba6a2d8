"""Pretraining one tower by itself, without labels."""

from mmkeras.training.pretext.contrastive import UnitLength, nt_xent
from mmkeras.training.pretext.image_views import PictureViews
from mmkeras.training.pretext.masking_layers import (
    DrawPlaces,
    HidePatches,
    HideTokens,
)
from mmkeras.training.pretext.modality_support import Unsupervised
from mmkeras.training.pretext.objectives import (
    OBJECTIVES,
    check_objective,
    kind_of,
    pretext_model,
)
from mmkeras.training.pretext.patches import (
    Cut,
    Shrink,
    Spread,
    grid_of,
    owners,
    patch_steps,
)
from mmkeras.training.pretext.reconstruction import (
    Reconstruct,
    SquaredError,
    TokenError,
)
from mmkeras.training.pretext.reconstruction_targets import (
    Known,
    OneHot,
    Repeat,
    Spectrum,
    SymLog,
    output_inside,
    patches_of,
    standardised,
)
from mmkeras.training.pretext.token_prediction import PickRows
from mmkeras.training.pretext.unlabelled import Unlabelled
from mmkeras.training.pretext.views import CellViews, SoundViews, TextViews

__all__ = [
    "CellViews",
    "Cut",
    "DrawPlaces",
    "HidePatches",
    "HideTokens",
    "Known",
    "OBJECTIVES",
    "OneHot",
    "PickRows",
    "PictureViews",
    "Reconstruct",
    "Repeat",
    "Shrink",
    "SoundViews",
    "Spectrum",
    "Spread",
    "SquaredError",
    "SymLog",
    "TextViews",
    "TokenError",
    "UnitLength",
    "Unlabelled",
    "Unsupervised",
    "check_objective",
    "grid_of",
    "kind_of",
    "nt_xent",
    "output_inside",
    "owners",
    "patch_steps",
    "patches_of",
    "pretext_model",
    "standardised",
]

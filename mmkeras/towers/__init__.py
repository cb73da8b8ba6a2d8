"""Towers, one for each kind of modality: raw input to vector and tokens.

Each variant has an options class; tables such as `IMAGE_TOWERS` list them.
"""

from mmkeras.towers.audio import AUDIO_TOWERS, audio_tower
from mmkeras.towers.audio_blocks import AudioCnn, AudioRecurrent, AudioResNet
from mmkeras.towers.audio_features import MFCC, WhisperLogMel
from mmkeras.towers.audio_hub import AudioMoonshine, AudioWhisper
from mmkeras.towers.column_groups import VectorGroups
from mmkeras.towers.frame_differences import FrameDifferences, VideoDifferences
from mmkeras.towers.hub import (
    TOWER_OUTPUTS,
    as_tower,
    is_tower_output,
    load_backbone,
)
from mmkeras.towers.image import IMAGE_TOWERS, ImageCnn, image_tower
from mmkeras.towers.image_hub import ImageBackbone
from mmkeras.towers.logmel import LogMel, SpecAugment, mel_filterbank
from mmkeras.towers.masked_layers import MaskedMean, SelfAttention
from mmkeras.towers.mobilenet import ImageMobileNet
from mmkeras.towers.pillars import PillarMax, PillarPlaces
from mmkeras.towers.points import (
    POINT_TOWERS,
    Pillars,
    PointNet,
    points_tower,
)
from mmkeras.towers.series import (
    SERIES_TOWERS,
    SeriesRecurrent,
    SeriesResNet,
    SeriesTcn,
    SeriesTransformer,
    series_tower,
)
from mmkeras.towers.tabular import LIMIT as STANDARDISED_LIMIT
from mmkeras.towers.tabular import (
    CategoryIds,
    FeatureTokens,
    FillMissing,
    MissingCells,
)
from mmkeras.towers.temporal import (
    KnownSteps,
    MarkGaps,
    Regroup,
    spread_convolution,
)
from mmkeras.towers.text import TEXT_TOWERS, text_tower
from mmkeras.towers.text_encoders import (
    TextBag,
    TextCnn,
    TextRecurrent,
    TextTransformer,
)
from mmkeras.towers.text_hub import TextBackbone
from mmkeras.towers.tower_options import TowerOptions
from mmkeras.towers.vector import (
    VECTOR_TOWERS,
    VectorMlp,
    VectorTransformer,
    vector_tower,
)
from mmkeras.towers.video import (
    VIDEO_TOWERS,
    VideoAttention,
    VideoCnn3d,
    VideoGru,
    video_tower,
)
from mmkeras.towers.vit import ImageViT
from mmkeras.towers.volume import (
    VOLUME_TOWERS,
    VolumeCnn,
    VolumeResNet,
    volume_tower,
)
from mmkeras.towers.wavenet import AudioWaveNet
from mmkeras.towers.word_vectors import read_word_vectors, word_matrix

__all__ = [
    "AUDIO_TOWERS",
    "AudioCnn",
    "AudioMoonshine",
    "AudioRecurrent",
    "AudioResNet",
    "AudioWaveNet",
    "AudioWhisper",
    "CategoryIds",
    "FeatureTokens",
    "FillMissing",
    "FrameDifferences",
    "IMAGE_TOWERS",
    "ImageBackbone",
    "ImageCnn",
    "ImageMobileNet",
    "ImageViT",
    "KnownSteps",
    "LogMel",
    "MFCC",
    "MarkGaps",
    "MaskedMean",
    "MissingCells",
    "POINT_TOWERS",
    "PillarMax",
    "PillarPlaces",
    "Pillars",
    "PointNet",
    "Regroup",
    "SERIES_TOWERS",
    "STANDARDISED_LIMIT",
    "SelfAttention",
    "SeriesRecurrent",
    "SeriesResNet",
    "SeriesTcn",
    "SeriesTransformer",
    "SpecAugment",
    "TEXT_TOWERS",
    "TOWER_OUTPUTS",
    "TextBackbone",
    "TextBag",
    "TextCnn",
    "TextRecurrent",
    "TextTransformer",
    "TowerOptions",
    "VECTOR_TOWERS",
    "VIDEO_TOWERS",
    "VOLUME_TOWERS",
    "VectorGroups",
    "VectorMlp",
    "VectorTransformer",
    "VideoAttention",
    "VideoCnn3d",
    "VideoDifferences",
    "VideoGru",
    "VolumeCnn",
    "VolumeResNet",
    "WhisperLogMel",
    "as_tower",
    "audio_tower",
    "image_tower",
    "is_tower_output",
    "load_backbone",
    "mel_filterbank",
    "points_tower",
    "read_word_vectors",
    "series_tower",
    "spread_convolution",
    "text_tower",
    "vector_tower",
    "video_tower",
    "volume_tower",
    "word_matrix",
]

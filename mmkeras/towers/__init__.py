"""One tower a kind of modality: its raw input to an embedding and tokens."""

from mmkeras.towers.audio import audio_tower
from mmkeras.towers.hub import as_tower
from mmkeras.towers.image import image_tower
from mmkeras.towers.series import series_tower
from mmkeras.towers.text import text_tower
from mmkeras.towers.vector import vector_tower
from mmkeras.towers.video import video_tower
from mmkeras.towers.volume import volume_tower

__all__ = [
    "as_tower",
    "audio_tower",
    "image_tower",
    "series_tower",
    "text_tower",
    "vector_tower",
    "video_tower",
    "volume_tower",
]

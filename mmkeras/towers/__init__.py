"""One tower a kind of modality: its raw input to an embedding and tokens."""

from mmkeras.towers.audio import audio_tower
from mmkeras.towers.image import image_tower
from mmkeras.towers.text import text_tower
from mmkeras.towers.vector import vector_tower

__all__ = ["audio_tower", "image_tower", "text_tower", "vector_tower"]

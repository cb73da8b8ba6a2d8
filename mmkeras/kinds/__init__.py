"""The kinds of modality and of target that come with mmkeras.

A folder each: the class and its plain facts in `__init__`, and a file for
each stage that needs code, imported when that stage asks for it.
"""

from mmkeras.kinds.anomaly import Anomaly
from mmkeras.kinds.audio import Audio
from mmkeras.kinds.boxes import Boxes
from mmkeras.kinds.categories import Categories
from mmkeras.kinds.category import Category
from mmkeras.kinds.embedding import Embedding
from mmkeras.kinds.forecast import Forecast
from mmkeras.kinds.image import Image
from mmkeras.kinds.mask import Mask
from mmkeras.kinds.number import Number
from mmkeras.kinds.ordinal import Ordinal
from mmkeras.kinds.points import Points
from mmkeras.kinds.sequence import Sequence
from mmkeras.kinds.series import Series
from mmkeras.kinds.tags import Tags
from mmkeras.kinds.text import Text
from mmkeras.kinds.transcript import Transcript
from mmkeras.kinds.vector import Vector
from mmkeras.kinds.video import Video
from mmkeras.kinds.volume import Volume
from mmkeras.kinds.written_text import WrittenText

__all__ = [
    "Anomaly",
    "Audio",
    "Boxes",
    "Categories",
    "Category",
    "Embedding",
    "Forecast",
    "Image",
    "Mask",
    "Number",
    "Ordinal",
    "Points",
    "Sequence",
    "Series",
    "Tags",
    "Text",
    "Transcript",
    "Vector",
    "Video",
    "Volume",
    "WrittenText",
]

"""Files of samples: opened safely, and read whatever their headers say."""

from mmkeras.front_doors import front_door

_HOME = {
    "Folders": "paths",
    "MAX_FOLDERS": "paths",
    "MAX_RESAMPLED_VALUES": "resampling:MAX_VALUES",
    "MAX_SOUND_VALUES": "media.sounds:MAX_VALUES",
    "example_record": "records:example",
    "on_grid": "resampling",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)

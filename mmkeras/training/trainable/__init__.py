"""Which weights are trained, at which rates, in which precision."""

from mmkeras.front_doors import front_door

_HOME = {
    "Unfreezing": "unfreezing",
    "check_precision": "precision",
    "epochs_of": "unfreezing",
    "fitting": "selection",
    "freeze_weights": "unfreezing:freeze",
    "matches": "patterns",
    "merged_lora": "lora:merged",
    "modalities": "single_towers",
    "places": "patterns",
    "rates_by_depth": "rates",
    "select": "patterns",
    "stored_as_float32": "precision",
    "thaw_weights": "unfreezing:thaw",
    "to_float32": "precision",
    "answerable": "single_towers",
    "tower_model": "single_towers",
    "tower_of": "single_towers",
    "tuning_of": "selection",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)

"""One stage of a strategy after the other, and what survives a kill."""

from mmkeras.front_doors import front_door

_HOME = {
    "Hooks": "fitting",
    "OneModality": "datasets",
    "Patience": "callbacks",
    "Spent": "budget",
    "Stage": "definition",
    "arrays_of": "resume",
    "count_batches": "datasets",
    "find_checkpoint": "resume",
    "fingerprint_differences": "resume:differences",
    "make_fusion_stage": "fusion_stage:fusion_stage",
    "make_optimizer": "optimizer",
    "modality_weighted_layers": "modality_weights",
    "modality_weights_of": "modality_weights",
    "one_modality": "datasets",
    "present_columns": "datasets",
    "save_checkpoint": "checkpoints",
    "share_steps": "budget",
    "variables_of": "resume",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)

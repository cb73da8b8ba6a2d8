"""Ensembles: several models as one, or the mean of their weights."""

from mmkeras.front_doors import front_door

_HOME = {
    "LEAST_PROBABILITY": "combined_model:LEAST",
    "Trainer": "trainer",
    "apply_weights": "stacking",
    "average": "existing_runs",
    "bag": "bagging_boosting",
    "boost": "bagging_boosting",
    "bootstrap": "sample_weights",
    "check_same_architecture": "weight_averaging:check_same",
    "figures_of": "results",
    "fit_weights": "stacking",
    "greedy_soup": "weight_averaging",
    "join": "combined_model",
    "mix_weights": "weight_averaging:mix",
    "out_of_fold": "stacking",
    "pooled": "combined_model",
    "restimate": "weight_averaging",
    "results_table": "results:table",
    "reweighted": "sample_weights",
    "samme": "bagging_boosting",
    "soup": "existing_runs",
    "stack": "existing_runs",
    "training_errors": "bagging_boosting:errors",
    "weighted": "combined_model",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)

"""Hyperparameter search over recipes whose values are ranges."""

from mmkeras.front_doors import front_door

_HOME = {
    "Job": "job",
    "METHODS": "job",
    "Range": "ranges",
    "Space": "space",
    "best_trial": "search:choose",
    "check_space": "search:check",
    "direction_of": "job",
    "list_trials": "search",
    "plot_against": "report:against",
    "recipe_of": "trial",
    "remember_job": "job:remember",
    "render_report": "report:render",
    "run_trials": "tuner:search",
    "to_toml": "recipe_toml",
    "tune": "search",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)

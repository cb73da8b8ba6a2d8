"""What is in the data, and what is wrong with them, before training.

`inspect` reads a spec's samples or a prepared folder once, and writes a JSON
and a page. TensorFlow is imported only where a run is asked for its answers.
"""

from mmkeras.front_doors import front_door

_HOME = {
    "FINDINGS": "findings",
    "PreparedSamples": "prepared_samples",
    "confident_joint": "wrong_labels",
    "find_alike": "alike",
    "far_out": "outliers",
    "folds_of": "training_labels",
    "inspect": "inspection",
    "likely_wrong": "wrong_labels",
    "out_of_fold": "training_labels",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)

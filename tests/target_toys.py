"""A target of each kind, with outputs of some skill and weights."""

import numpy as np

from mmkeras.spec import TARGETS, Target

CLASSES = ("low", "mid", "high")
STEPS = 7
KEYS = {
    "category": {"classes": CLASSES},
    "categories": {"classes": CLASSES},
    "ordinal": {"classes": CLASSES},
    "sequence": {"classes": CLASSES, "steps": STEPS},
    "number": {"unit": "mm"},
    "embedding": {},
}


def target_of(kind: str, **keys) -> Target:
    """Returns a target; `keys` stand instead of the toy's own."""
    return TARGETS.read({"kind": kind, "column": "y", **KEYS[kind], **keys})


def problem(kind: str, samples: int = 40, seed: int = 0):
    """Returns labels, outputs that are often right, and weights of 0 and 1."""
    draw = np.random.default_rng(seed)
    if kind == "embedding":
        labels = draw.integers(0, 8, samples)
        centres = draw.normal(size=(8, 6))
        outputs = centres[labels] + draw.normal(size=(samples, 6))
        outputs /= np.linalg.norm(outputs, axis=1, keepdims=True)
        labels[::9] = -1
        return labels, outputs, (labels >= 0).astype(float)
    if kind == "number":
        labels = draw.normal(50, 9, samples)
        outputs = (labels + draw.normal(0, 4, samples))[:, None]
        return labels, outputs, (draw.random(samples) < 0.8).astype(float)
    if kind == "categories":
        labels = draw.integers(0, 2, (samples, 3)).astype("float32")
        outputs = 0.4 * labels + draw.uniform(0, 0.6, labels.shape)
        return labels, outputs, (draw.random(samples) < 0.8).astype(float)
    shape = (samples, STEPS) if kind == "sequence" else (samples,)
    labels = draw.integers(0, 3, shape)
    guess = np.eye(3)[labels] * 2 + draw.gumbel(size=(*shape, 3))
    outputs = np.exp(guess) / np.exp(guess).sum(-1, keepdims=True)
    return labels, outputs, (draw.random(shape) < 0.8).astype(float)

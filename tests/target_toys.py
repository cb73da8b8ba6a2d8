"""A target of each kind, with outputs of some skill and weights."""

import numpy as np

from mmkeras.kinds import Image, Text
from mmkeras.spec import TARGETS, Target

CLASSES = ("low", "mid", "high")
STEPS = 7
KEYS = {
    "category": {"classes": CLASSES},
    "categories": {"classes": CLASSES},
    "ordinal": {"classes": CLASSES},
    "sequence": {"classes": CLASSES, "steps": STEPS},
    "number": {"unit": "mm"},
    "boxes": {"classes": CLASSES, "modality": "view", "max_boxes": 4},
    "mask": {"classes": ("spot",), "modality": "view"},
    "embedding": {},
    "text": {"max_characters": 12, "references": 2},
    "forecast": {"channels": ["a", "b"], "steps": STEPS},
    "anomaly": {"normal": ["fine"]},
    "transcript": {
        "alphabet": "ab ",
        "steps": STEPS,
        "max_symbols": STEPS,
        "modality": "x",
    },
    "tags": {"classes": ("drug", "illness"), "modality": "note"},
}
TEXTS = ("a red shoe", "two cats", "a hat|one hat", "red cats run")
# What a kind that is read with its sample asks of its modality.
VIEW = {
    "view": Image(kind="image", column="x", height=6, width=5),
    "note": Text(kind="text", column="x", max_tokens=STEPS),
}


def target_of(kind: str, **keys) -> Target:
    """Returns a target; `keys` stand instead of the toy's own."""
    found = TARGETS.read({"kind": kind, "column": "y", **KEYS[kind], **keys})
    if KEYS[kind].get("modality") in VIEW:
        found.check("y", VIEW)
    return found


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
    if kind == "forecast":
        labels = draw.normal(5, 3, (samples, STEPS, 2)).astype("float32")
        middle = labels + draw.normal(0, 1, labels.shape)
        away = draw.uniform(0.2, 2, (2, *labels.shape))
        outputs = np.stack([middle - away[0], middle, middle + away[1]], -1)
        known = draw.random(labels.shape) < 0.8
        return labels, outputs, known.astype(float)
    if kind == "anomaly":
        labels = draw.integers(-1, 2, samples)
        outputs = draw.gamma(2, 0.3, samples) * (1 + 2 * (labels > 0))
        return labels, outputs[:, None], np.ones(samples)
    if kind == "boxes":
        return boxes(samples, draw)
    if kind == "mask":
        labels = draw.integers(0, 2, (samples, 6, 5)).astype("uint8")
        outputs = 0.4 * labels + draw.uniform(0, 0.6, labels.shape)
        labels[:, 0, 0] = 255
        known = (draw.random(samples) < 0.8).astype(float)
        return labels, outputs[..., None], known
    if kind == "number":
        labels = draw.normal(50, 9, samples)
        outputs = (labels + draw.normal(0, 4, samples))[:, None]
        return labels, outputs, (draw.random(samples) < 0.8).astype(float)
    if kind == "categories":
        labels = draw.integers(0, 2, (samples, 3)).astype("float32")
        outputs = 0.4 * labels + draw.uniform(0, 0.6, labels.shape)
        return labels, outputs, (draw.random(samples) < 0.8).astype(float)
    if kind == "text":
        return texts(draw, samples)
    if kind == "transcript":
        said = draw.choice(["a b", "ab", "b a", "ba b"], samples)
        labels, _, _ = target_of(kind).encode(said.tolist())
        # Each symbol in every other frame.
        paths = np.zeros((samples, STEPS), int)
        paths[:, ::2] = labels[:, 1:5]
        outputs = 3 * np.eye(4)[paths] + draw.gumbel(size=(samples, STEPS, 4))
        return labels, outputs, (draw.random(samples) < 0.8).astype(float)
    if kind == "tags":
        labels = draw.choice([0, 0, 0, 1, 2, 3, 4], (samples, STEPS))
        guess = np.eye(5)[labels] * 3 + draw.gumbel(size=(*labels.shape, 5))
        outputs = np.exp(guess) / np.exp(guess).sum(-1, keepdims=True)
        known = np.ones(labels.shape)
        known[:, -2:], known[draw.random(samples) < 0.2] = 0, 0
        return labels.astype("int32"), outputs, known
    shape = (samples, STEPS) if kind == "sequence" else (samples,)
    labels = draw.integers(0, 3, shape)
    guess = np.eye(3)[labels] * 2 + draw.gumbel(size=(*shape, 3))
    outputs = np.exp(guess) / np.exp(guess).sum(-1, keepdims=True)
    return labels, outputs, (draw.random(shape) < 0.8).astype(float)


def texts(draw, samples: int):
    """Labels of one or two texts, and answers of which some are others."""
    target = target_of("text")
    places = draw.integers(0, len(TEXTS), samples)
    labels, weights, _ = target.encode([TEXTS[i] for i in places])
    weights[draw.random(samples) < 0.2] = 0
    wrong = draw.random(samples) < 0.3
    places = np.where(wrong, draw.integers(0, len(TEXTS), samples), places)
    outputs = np.zeros((samples, 4, target.length))
    found, there, _ = target.encode([TEXTS[i] for i in places])
    outputs[:, 0] = found[:, : target.length]
    likely = -draw.exponential(0.2, (samples, 3, target.length))
    outputs[:, 1] = likely[:, 0] * there[:, : target.length]
    outputs[:, 2:] = likely[:, 1:]
    return labels.astype("int32"), outputs.astype("float32"), weights


def boxes(samples, draw):
    """Boxes, and cells that tell them nearly, of which some are unsure."""
    low = draw.uniform(0, 0.6, (samples, 4, 2))
    high = low + draw.uniform(0.1, 0.4, low.shape)
    classes = draw.integers(-1, 3, (samples, 4, 1))
    labels = np.concatenate([low, high, classes], axis=-1)
    labels[:, 0, 4] = np.maximum(labels[:, 0, 4], 0)
    outputs = np.zeros((samples, 6, 8 + len(CLASSES)))
    outputs[:, :4, :4] = labels[..., :4] + draw.normal(
        0, 0.02, low.shape[:2] + (4,)
    )
    outputs[:, 4:, 2:4] = 0.3
    outputs[..., 4:8] = 0.5
    likely = draw.uniform(0, 0.5, (samples, 6, len(CLASSES)))
    own = np.eye(len(CLASSES))[np.maximum(labels[..., 4], 0).astype(int)]
    likely[:, :4] += 0.5 * own * (labels[..., 4:] >= 0)
    outputs[..., 8:] = likely
    return labels.astype("float32"), outputs, (draw.random(samples) < 0.8) * 1.0

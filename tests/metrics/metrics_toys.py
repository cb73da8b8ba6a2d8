"""Problems with some skill, as they come out of a model."""

import numpy as np

SAMPLES = 60


def single(classes=4, samples=SAMPLES, seed=7):
    """Labels and outputs of one class of several; ties, and some skill."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, samples)
    outputs = np.round(draw.dirichlet(np.ones(classes), samples), 2)
    return labels, outputs + 0.4 * np.eye(classes)[labels]


def multi(samples=SAMPLES, seed=7):
    """Labels and outputs of any classes; one never true, one never said."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, (samples, 4)).astype("float32")
    outputs = labels * 0.3 + draw.uniform(0, 0.7, (samples, 4))
    labels[:, 2] = 0
    outputs[:, 3] = np.round(outputs[:, 3], 1) * 0.4
    return labels, outputs


def number(samples=SAMPLES, seed=7):
    draw = np.random.default_rng(seed)
    labels = draw.normal(1000, 3, samples)
    return labels, (labels + draw.normal(0, 2, samples))[:, None]


def steps(samples=40, seed=0, length=7):
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, (samples, length))
    guess = np.eye(3)[labels] * 2 + draw.gumbel(size=(samples, length, 3))
    return labels, np.exp(guess) / np.exp(guess).sum(-1, keepdims=True)


def identities(samples=40, seed=0):
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 8, samples)
    centres = draw.normal(size=(8, 6))
    outputs = centres[labels] + draw.normal(size=(samples, 6))
    return labels, outputs / np.linalg.norm(outputs, axis=1, keepdims=True)


def fractions(shape, seed=1):
    """Weights from 0 to 2, every fifth of them 0."""
    weights = np.random.default_rng(seed).uniform(0.1, 2, shape)
    weights.reshape(-1)[::5] = 0
    return weights

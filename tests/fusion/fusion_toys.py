"""What the tests of the fusions share: tower outputs, NumPy's formulas."""

import numpy as np

WIDTHS = {"a": 8, "b": 5, "c": 3}


def features(batch=6, widths=WIDTHS, tokens=5, seed=0):
    """Random tower outputs of different widths; two tokens are padding."""
    rng = np.random.default_rng(seed)
    mask = np.ones((batch, tokens), "float32")
    mask[:, -2:] = 0
    return {
        name: {
            "vector": rng.normal(size=(batch, d)).astype("float32"),
            "tokens": rng.normal(size=(batch, tokens, d)).astype("float32"),
            "mask": mask,
        }
        for name, d in widths.items()
    }


def vectors(given):
    return {name: given[name]["vector"] for name in sorted(given)}


def joined(given):
    return np.concatenate(list(vectors(given).values()), -1)


def dense(x, layer):
    """A dense layer without its activation."""
    kernel, *bias = (np.asarray(w) for w in layer.get_weights())
    return x @ kernel + (bias[0] if bias else 0)


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def shaken(layer, given, present=None, seed=1):
    """Calls a layer after giving zeros and ones values of their own."""
    layer(given, present=present)
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        if len(weight.shape) < 2:
            weight.assign(weight + rng.uniform(0.1, 0.5, weight.shape))
    return np.asarray(layer(given, present=present))


def check_equals(layer, reference, given=None):
    """The layer's answer is that of NumPy's formula."""
    given = given or features()
    got = shaken(layer, given)
    np.testing.assert_allclose(
        got, reference(layer, given), rtol=1e-4, atol=1e-5
    )

"""Toy models and toy problems that any part must be able to solve."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

CLASSES = 3
# The smallest towers to hang under a fusion.
TOKENS, WIDTH = 4, 8


@dataclass(frozen=True)
class Task:
    """How the output `label` is trained on the toy's classes.

    Args:
        loss: Makes the loss; of a head that reads labels by the layer of its
            output, from that layer.
        labels: From classes `(batch,)` to what the loss reads.
        truth: From classes to the right decisions.
        decide: From outputs, and the samples' classes, to decisions.
        by_layer: Whether the head reads labels so.
    """

    loss: Callable[..., keras.losses.Loss]
    labels: Callable[[np.ndarray], np.ndarray] = lambda classes: classes
    truth: Callable[[np.ndarray], np.ndarray] = lambda classes: classes
    decide: Callable[[np.ndarray, np.ndarray], np.ndarray] = (
        lambda answers, classes: answers.argmax(-1)
    )
    by_layer: bool = False

    def loss_of(self, model: keras.Model) -> keras.losses.Loss:
        """Returns the loss of the output `label` of a model."""
        layers = (model.get_layer("label"),) if self.by_layer else ()
        return self.loss(*layers)


CLASSIFY = Task(keras.losses.SparseCategoricalCrossentropy)


def random_input(tensor, count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns samples that suit one `keras.Input`."""
    shape = (count, *tensor.shape[1:])
    if tensor.name == "present":
        return np.ones(shape, "float32")
    if tensor.dtype == "uint8":
        return rng.integers(0, 256, shape).astype("uint8")
    if "int" in tensor.dtype:
        return rng.integers(2, 20, shape).astype(tensor.dtype)
    return rng.normal(scale=0.3, size=shape).astype("float32")


def toy_problem(
    model: keras.Model,
    count: int,
    seed: int = 0,
    prototypes: dict[str, np.ndarray] | None = None,
) -> tuple[dict, dict]:
    """Returns samples of three classes: a prototype each, and a little noise.

    The toy modality `other`, if there is one, is independent of the class.

    Args:
        model: Model with named inputs and the output `label`.
        count: Samples.
        seed: Seed of the samples; the prototypes do not depend on it.
        prototypes: `(3, ...)` by input, where random numbers are no proper
            input; optional.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    x = {}
    for tensor in model.inputs:
        if tensor.name == "other":
            x["other"] = random_input(tensor, count, rng)
            continue
        # The same whatever the seed of the samples.
        fixed = random_input(tensor, CLASSES, np.random.default_rng(99))
        fixed = (prototypes or {}).get(tensor.name, fixed)
        x[tensor.name] = fixed[labels]
        if "float" in tensor.dtype and tensor.name != "present":
            noise = rng.normal(
                scale=np.nanstd(fixed) / 6, size=fixed[labels].shape
            )
            x[tensor.name] = (fixed[labels] + noise).astype("float32")
    return x, {"label": labels}


def toy_tower(name: str, units: int = WIDTH) -> keras.Model:
    """Builds a tower to hang under a fusion: one dense layer."""
    x = keras.Input((TOKENS, WIDTH), name=name)
    y = keras.layers.Dense(units, name=f"{name}_tokens")(x)
    outputs = {
        "vector": ops.mean(y, axis=1),
        "tokens": y,
        "mask": ops.ones_like(y[:, :, 0], dtype="float32"),
    }
    return keras.Model(x, outputs, name=f"{name}_tower")


def classifier(tower: keras.Model) -> keras.Model:
    """Puts the smallest head on a tower.

    Tokens, mask and maps take part, so that no weight is without a gradient.
    """
    inputs = _inputs_of(tower)
    outputs = tower(inputs)
    mask = ops.expand_dims(outputs["mask"], -1)
    tokens = ops.mean(outputs["tokens"] * mask, axis=1)
    maps = [
        ops.mean(one, axis=tuple(range(1, len(one.shape) - 1)))
        for one in outputs.get("skips", [])
    ]
    x = ops.concatenate([outputs["vector"], tokens, *maps], axis=-1)
    return keras.Model({inputs.name: inputs}, {"label": _label(x)})


def fused_classifier(
    fusion: keras.layers.Layer, names=("left", "middle", "right")
) -> keras.Model:
    """Fuses toy towers by `fusion`; the first and the last are optional."""
    inputs = {n: keras.Input((TOKENS, WIDTH), name=n) for n in names}
    features = {n: toy_tower(n)(inputs[n]) for n in names}
    present = keras.Input((2,), name="present")
    columns = {names[0]: present[:, :1], names[-1]: present[:, 1:]}
    fused = fusion(features, present=columns)
    return keras.Model(
        {**inputs, "present": present}, {"label": _label(fused, fusion)}
    )


def paired_classifier(
    tower: keras.Model, fusion: keras.layers.Layer
) -> keras.Model:
    """Fuses a tower, which may be absent, and a toy one."""
    inputs = _inputs_of(tower)
    other = keras.Input((TOKENS, WIDTH), name="other")
    present = keras.Input((1,), name="present")
    features = {
        inputs.name: tower(inputs),
        "other": toy_tower("other", units=16)(other),
    }
    fused = fusion(features, present={inputs.name: present})
    inputs = {inputs.name: inputs, "other": other, "present": present}
    return keras.Model(inputs, {"label": _label(fused, fusion)})


def toy_maps(tokens: Any) -> list[Any]:
    """Returns feature maps, finest first, of a toy tower's tokens."""
    fine = keras.layers.Reshape((TOKENS, WIDTH, 1))(tokens)
    coarse = keras.layers.Conv2D(
        WIDTH, 3, strides=2, padding="same", activation="relu"
    )(fine)
    return [fine, coarse]


def headed_model(head) -> keras.Model:
    """Puts a head on a toy tower; its output is called `label`."""
    inputs = keras.Input((TOKENS, WIDTH), name="sound")
    outputs = toy_tower("sound")(inputs)
    fused = keras.layers.Dense(16, "tanh", name="fused")(outputs["vector"])
    if getattr(head, "needs", ()):
        outputs = {**outputs, "skips": toy_maps(outputs["tokens"])}
    output = head(fused, "label", {"sound": outputs})
    return keras.Model({"sound": inputs}, {"label": output})


def train(
    model: keras.Model,
    prototypes: dict | None = None,
    epochs: int = 12,
    task: Task = CLASSIFY,
) -> None:
    """Trains a model on the toy problem, with Keras' Adam.

    All weights are one vector to the optimizer. `fit` would trace its update
    for each weight, which takes longer than the training of a toy.
    """
    import tensorflow as tf

    weights = [weight.value for weight in model.trainable_weights]
    flat = keras.Variable(tf.concat([tf.reshape(w, [-1]) for w in weights], 0))
    optimizer, loss = keras.optimizers.Adam(3e-3), task.loss_of(model)
    optimizer.build([flat])

    def step(x, y):
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True)["label"])
            value += sum(model.losses)
        found = tape.gradient(value, weights, unconnected_gradients="zero")
        found = [tf.reshape(gradient, [-1]) for gradient in found]
        optimizer.apply([tf.concat(found, 0)], [flat])
        sizes = [weight.shape.num_elements() for weight in weights]
        for weight, now in zip(weights, tf.split(flat.value, sizes)):
            weight.assign(tf.reshape(now, weight.shape))

    step = tf.function(step, autograph=False)
    x, y = toy_problem(model, 96, prototypes=prototypes)
    y, rng = task.labels(y["label"]), np.random.default_rng(5)
    for _ in range(epochs):
        for rows in rng.permutation(len(y)).reshape(-1, 16):
            step({n: tf.constant(each[rows]) for n, each in x.items()}, y[rows])


def _inputs_of(tower: keras.Model):
    tensor = tower.inputs[0]
    return keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)


def _label(x, fusion: keras.layers.Layer | None = None):
    if getattr(fusion, "activation", "") == "softmax" and fusion.decides:
        # A late fusion's output already is the prediction.
        return keras.layers.Identity(name="label")(x)
    return keras.layers.Dense(CLASSES, "softmax", name="label")(x)

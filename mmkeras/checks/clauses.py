"""The clauses of the contract that a part keeps without being exported.

Each takes what it needs and raises ValueError where the part breaks it.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from mmkeras import keras_private as private
from mmkeras.checks.toys import CLASSIFY, Task, random_input, toy_problem
from mmkeras.towers import is_tower_output

# Of a batch that has as many samples as a part has steps or channels.
MOST_SAMPLES = 32


@dataclass(frozen=True)
class Answers:
    """A model, four samples, and what it says of them when called eagerly."""

    model: keras.Model
    x: dict[str, np.ndarray]
    outputs: np.ndarray


def answers_of(model: keras.Model) -> Answers:
    """Returns a model's outputs for four samples.

    They hold until the model is trained: `gradient` moves the averages of
    batch normalization.
    """
    x, _ = toy_problem(model, 4)
    return Answers(model, x, output_of(model, x))


def tower_outputs(tower: keras.Model) -> None:
    """The dict of the contract, its shapes and types; one input, named."""
    # A subclassed model has no inputs until it is called.
    if (
        len(getattr(tower, "inputs", None) or []) != 1
        or tower.name != f"{tower.inputs[0].name}_tower"
    ):
        raise ValueError(
            "a tower must have one input, and be called as that and `_tower`. "
            f"Received: name={tower.name!r}, "
            f"inputs={[t.name for t in getattr(tower, 'inputs', None) or []]}"
        )
    x = random_input(tower.inputs[0], 2, np.random.default_rng(0))
    y = tower(x)
    if not is_tower_output(y):
        found = sorted(y) if isinstance(y, Mapping) else type(y).__name__
        raise ValueError(
            "a tower must return a dict of `vector`, `tokens` and `mask`, and "
            "of `skips` where a target reads them. "
            f"Received: {found}"
        )
    y = dict(y)
    _check_maps([np.asarray(one) for one in y.pop("skips", [])])
    y = {name: np.asarray(value) for name, value in y.items()}
    shapes = {name: value.shape for name, value in y.items()}
    tokens = y["tokens"].shape
    if len(tokens) != 3 or shapes != _tower_shapes(*tokens):
        raise ValueError(
            "a tower's outputs must be `vector` (batch, d), `tokens` (batch, "
            f"t, d) and `mask` (batch, t). Received: {shapes} for 2 samples"
        )
    mask = y["mask"]
    if mask.dtype != "float32" or not set(np.unique(mask)) <= {0.0, 1.0}:
        raise ValueError(
            "`mask` must be float32 of 0 and 1. Received: "
            f"{mask.dtype} of {np.unique(mask)[:5]}"
        )
    _finite(y)


def _check_maps(maps: list[np.ndarray]) -> None:
    """Feature maps are finite, and each is smaller than the one before."""
    shapes = [one.shape for one in maps]
    cells = [int(np.prod(shape[1:-1])) for shape in shapes]
    if min(map(len, shapes), default=4) < 4 or any(
        coarse >= fine for fine, coarse in zip(cells, cells[1:], strict=False)
    ):
        raise ValueError(
            "a tower's `skips` must be maps (batch, rows, columns, d), or with "
            f"more axes, finest first. Received: {shapes} for 2 samples"
        )
    _finite({f"skips[{i}]": one for i, one in enumerate(maps)})


def _tower_shapes(samples: int, count: int, width: int) -> dict[str, tuple]:
    return {
        "vector": (samples, width),
        "tokens": (samples, count, width),
        "mask": (samples, count),
    }


def batch_of_one(known: Answers) -> None:
    """The output of a sample does not depend on the batch, nor on its size."""
    with private.sums_seen() as sums:
        found = output_of(known.model, _rows(known.x, 1))
        _near("one sample and a batch", found, known.outputs[:1], 1e-5)
        size = _usual_size(known.model)
        x, _ = toy_problem(known.model, size + 1)
        many, some = (
            output_of(known.model, _rows(x, n)) for n in (size + 1, size)
        )
    _near(f"{size} samples and {size + 1}", some, many[:size], 1e-5)
    _check_sums(sums, size + 1)


def _usual_size(model: keras.Model) -> int:
    """Returns the steps or channels that most of a model's tensors have."""
    found, waiting = Counter({2: 0}), [model]
    while waiting:
        graph = private.graph_of(waiting.pop())
        for node in private.nodes_of(graph) if graph else ():
            waiting.append(node.operation)
            for tensor in keras.tree.flatten(node.outputs):
                sides = {*tensor.shape[1:2], *tensor.shape[2:][-1:]}
                found.update(s for s in sides if 1 < (s or 0) <= MOST_SAMPLES)
    return max(found, key=found.get)


def _check_sums(sums: Collection[tuple[tuple, tuple]], samples: int) -> None:
    """Raises ValueError where `b` of `add(a, b)` is a number a sample.

    With as many samples as channels or steps Keras 3.15 takes it for a bias.
    """
    for one, other in sums:
        if len(one) > 1 and other == (samples, *(1 for _ in one[1:])) != one:
            raise ValueError(
                "a sum of Keras must have what is spread over a sample first, "
                "`add(b, a)`: second, and as many samples as channels, it is "
                f"taken for a bias. Received: add({one}, {other})"
            )


def graph(known: Answers) -> None:
    """Called eagerly, and as a graph inside tf.data: the same."""
    import tensorflow as tf

    model = known.model
    rows = tf.data.Dataset.from_tensor_slices(known.x).batch(4)
    mapped = rows.map(lambda row: model(row, training=False)["label"])
    found = next(iter(mapped)).numpy()
    _near("eager and tf.data's graph", found, known.outputs, 1e-5)


def gradient(model: keras.Model, task: Task = CLASSIFY) -> None:
    """Every trainable weight gets a gradient."""
    import tensorflow as tf

    x, y = toy_problem(model, 8)
    if "present" in x:
        # The vectors of absent modalities get gradients from absent samples
        # only.
        x["present"][::2] = 0
    loss, labels = task.loss_of(model), task.labels(y["label"])
    with tf.GradientTape() as tape:
        value = loss(labels, model(x, training=True)["label"])
        value += sum(model.losses)
    weights = model.trainable_weights
    gradients = tape.gradient(value, [weight.value for weight in weights])
    missing = [
        weight.path
        for weight, found in zip(weights, gradients, strict=True)
        if found is None
    ]
    if missing:
        raise ValueError(
            "a gradient must reach every trainable weight. Received none: "
            + ", ".join(missing)
        )


def mixed_float16(known: Answers) -> None:
    """Rebuilt under this policy, it gives about the same output."""
    text = json.dumps(keras.saving.serialize_keras_object(known.model))
    # Every layer holds the policy it was made under.
    text = text.replace('"name": "float32"', '"name": "mixed_float16"')
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = keras.saving.deserialize_keras_object(json.loads(text))
        half.set_weights(known.model.get_weights())
    finally:
        keras.config.set_dtype_policy(policy)
    found = output_of(half, known.x)
    _near("float32 and mixed_float16", found, known.outputs, 0.05)


def saved(known: Answers) -> None:
    """Through Keras' own file: bit for bit."""
    with tempfile.TemporaryDirectory() as folder:
        known.model.save(Path(folder) / "model.keras")
        again = keras.saving.load_model(Path(folder) / "model.keras")
    found = output_of(again, known.x)
    _near("a model and its saved file", found, known.outputs, 0)


def absent(model: keras.Model) -> None:
    """The input of an absent modality does not change the output."""
    rng = np.random.default_rng(3)
    x, _ = toy_problem(model, 8)
    name = sorted(set(x) - {"present"})[0]
    x["present"][:, 0] = 0
    wanted = output_of(model, x)
    noise = rng.normal(scale=100, size=x[name].shape).astype("float32")
    found = output_of(model, {**x, name: noise})
    _near(f"an absent `{name}` and noise in its place", found, wanted, 0)
    x["present"][:] = 0
    _finite({"the output with all absent": output_of(model, x)})


def token_mask(fusion: keras.layers.Layer, features: dict) -> None:
    """Masked tokens do not change the output."""
    rng = np.random.default_rng(4)
    hidden, other = {}, {}
    for name, feature in features.items():
        mask = np.array(feature["mask"])
        mask[:, -1] = 0
        tokens = np.array(feature["tokens"])
        hidden[name] = {**feature, "tokens": tokens, "mask": mask}
        noise = rng.normal(scale=100, size=tokens.shape).astype("float32")
        here = mask[:, :, None]
        tokens = tokens * here + noise * (1 - here)
        other[name] = {**feature, "tokens": tokens, "mask": mask}
    found = np.asarray(fusion(other, training=False))
    wanted = np.asarray(fusion(hidden, training=False))
    _near("hidden tokens and noise in their place", found, wanted, 1e-6)


def order(make: Callable[[], keras.layers.Layer], features: dict) -> None:
    """Neither weights nor outputs depend on the order of a dict."""
    backwards = {name: features[name] for name in sorted(features)[::-1]}
    found = []
    for ordered in (features, backwards):
        keras.utils.set_random_seed(0)
        layer = make()
        layer(ordered)
        found.append((layer, [weight.shape for weight in layer.weights]))
    (first, shapes), (second, others) = found
    if shapes != others:
        raise ValueError(
            "the weights must not depend on the order of the dict. Received: "
            f"{shapes} and {others}"
        )
    second.set_weights(first.get_weights())
    outputs = [np.asarray(first(each)) for each in (features, backwards)]
    _near("two orders of one dict", outputs[1], outputs[0], 0)
    outputs.append(np.asarray(second(features)))
    _near("two orders when built", outputs[2], outputs[0], 0)


def output_of(model: keras.Model, x: dict) -> np.ndarray:
    """Returns the model's output `label` as float32."""
    return np.asarray(model(x, training=False)["label"], "float32")


def _rows(x: dict, count: int) -> dict:
    return {name: values[:count] for name, values in x.items()}


def _near(what: str, found, wanted, limit: float) -> None:
    _finite({what: found})
    apart = float(np.abs(np.asarray(found, "float64") - wanted).max())
    if apart > limit:
        raise ValueError(
            f"{what} must give the same output, at most {limit:g} apart. "
            f"Received: {apart:.3g} apart"
        )


def _finite(outputs: Mapping[str, np.ndarray]) -> None:
    for name, value in outputs.items():
        if not np.isfinite(value).all():
            raise ValueError(
                f"{name} must be finite. Received: "
                f"{np.count_nonzero(~np.isfinite(value))} numbers that are not"
            )

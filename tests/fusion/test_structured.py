"""Structured fusions: formulas against NumPy, and what they add to the loss."""

import keras
import numpy as np
import pytest
from fusion_toys import (
    check_equals,
    dense,
    features,
    relu,
    sigmoid,
    softmax,
    vectors,
)
from keras import ops

from mmkeras.fusion import (
    MIMO,
    Graph,
    ModalityCritic,
    ModalityInvariant,
    MultiChannelAttention,
    MultiView,
    reverse_gradient,
)


def multi_channel(layer, f):
    values = {n: dense(v, layer.values[n]) for n, v in vectors(f).items()}
    together = relu(dense(sum(values.values()), layer.squeeze))
    scores = np.stack([dense(together, layer.scores[n]) for n in values], -1)
    weights = np.repeat(softmax(scores), layer.units // layer.groups, 1)
    return sum(weights[..., i] * values[n] for i, n in enumerate(values))


def graph(layer, f):
    if layer.nodes == "modalities":
        x = [dense(v, layer.project[n])[:, None] for n, v in vectors(f).items()]
    else:
        x = [
            dense(f[n]["tokens"][:, f[n]["mask"][0] > 0], layer.project[n])
            for n in sorted(f)
        ]
    x = np.concatenate(x, 1)
    for turn in layer.gates:
        ends = dense(x, layer.gates[turn])
        edges = sigmoid(ends[:, :, None, 0] + ends[:, None, :, 1])
        edges = edges + np.eye(x.shape[1])
        edges = edges / edges.sum(-1, keepdims=True)
        x = x + relu(dense(edges @ x, layer.messages[turn]))
    return x.mean(1)


def views(layer, f):
    return np.stack(
        [
            dense(relu(dense(v, layer.hidden[n])), layer.views[n])
            for n, v in vectors(f).items()
        ],
        1,
    )


def multi_view(layer, f):
    return views(layer, f).mean(1)


def mimo(layer, f):
    x = relu(sum(dense(v, layer.into[n]) for n, v in vectors(f).items()))
    for trunk in layer.trunk.values():
        x = relu(dense(x, trunk))
    return np.mean([relu(dense(x, layer.out_of[n])) for n in f], 0)


def shared_parts(layer, f):
    own = [relu(dense(v, layer.own[n])) for n, v in vectors(f).items()]
    return dense(np.stack(own, 1), layer.shared)


def invariant(layer, f):
    private = [relu(dense(v, layer.private[n])) for n, v in vectors(f).items()]
    parts = [shared_parts(layer, f).mean(1), *private]
    return relu(dense(np.concatenate(parts, -1), layer.dense))


CASES = {
    "multi_channel": (lambda: MultiChannelAttention(6, 3, 2), multi_channel),
    "graph": (lambda: Graph(6), graph),
    "graph_tokens": (lambda: Graph(6, nodes="tokens", rounds=1), graph),
    "multi_view": (lambda: MultiView(6), multi_view),
    "mimo": (lambda: MIMO(6, depth=2), mimo),
    "invariant": (lambda: ModalityInvariant(6), invariant),
}


@pytest.mark.parametrize("make, reference", CASES.values(), ids=CASES)
def test_output_equals_numpy(make, reference):
    check_equals(make(), reference)


# Sample by sample: all there, two of them, one, none.
PRESENT = {
    "a": np.array([[1], [1], [0], [0]], "float32"),
    "b": np.array([[1], [0], [0], [0]], "float32"),
    "c": np.array([[1], [1], [1], [0]], "float32"),
}


def disagreement(layer, f):
    x = views(layer, f)
    x = x / np.sqrt((x**2).sum(-1, keepdims=True) + 1e-6)
    here = np.concatenate([PRESENT[n] for n in "abc"], 1)
    pairs = [
        (1 - x[s, i] @ x[s, j])
        for s in range(4)
        for i in range(3)
        for j in range(3)
        if i != j and here[s, i] * here[s, j]
    ]
    return 0.1 * np.mean(pairs)


def critic_loss(layer, f):
    critic = layer.critic
    guess = dense(
        relu(dense(shared_parts(layer, f), critic.hidden)), critic.guess
    )
    right = np.log(softmax(guess))[:, range(3), range(3)]
    here = np.concatenate([PRESENT[n] for n in "abc"], 1)
    return 0.1 * -right[here > 0].mean()


TERMS = [(MultiView, disagreement), (ModalityInvariant, critic_loss)]


@pytest.mark.parametrize("fusion, reference", TERMS)
def test_the_loss_counts_only_what_is_there(fusion, reference):
    layer, f = fusion(6), features(batch=4)
    layer(f, present=PRESENT, training=True)
    np.testing.assert_allclose(
        float(sum(layer.losses)), reference(layer, f), rtol=1e-4
    )


@pytest.mark.parametrize("fusion", [MultiView, ModalityInvariant])
@pytest.mark.parametrize("present", [0.0, 1.0])
def test_the_loss_is_there_in_training_only(fusion, present):
    layer, f = fusion(6), features()
    given = {n: np.full((6, 1), present, "float32") for n in f}
    layer(f, present=given)
    assert not layer.losses
    layer(f, present=given, training=True)
    assert np.isfinite(float(sum(layer.losses)))
    # Nobody there, nothing to learn.
    assert (float(sum(layer.losses)) > 0) == (present > 0)


@pytest.mark.parametrize(
    "make",
    [lambda: MultiView(6, agreement=0), lambda: ModalityInvariant(6, 0)],
    ids=["multi_view", "invariant"],
)
def test_a_weight_of_zero_leaves_the_term_out(make):
    layer = make()
    layer(features(), training=True)
    assert not layer.losses
    assert not any("critic" in w.path for w in layer.weights)


@pytest.mark.parametrize("fusion", [MultiView, ModalityInvariant])
def test_a_modality_alone_has_nobody_to_compare_with(fusion):
    layer = fusion(6)
    layer(features(widths={"a": 4}), training=True)
    assert float(sum(layer.losses)) == 0


@pytest.mark.parametrize("fusion", [MIMO, MultiView])
def test_a_modality_that_is_absent_has_no_vote(fusion):
    layer, f = fusion(6), features(batch=4)
    present = {"b": PRESENT["b"]}
    fused = np.asarray(layer(f, present=present))
    if fusion is MultiView:
        answers = {n: views(layer, f)[:, i] for i, n in enumerate("abc")}
    else:
        standin = np.asarray(layer.standins["b"])
        f["b"]["vector"][1:] = standin
        x = relu(sum(dense(v, layer.into[n]) for n, v in vectors(f).items()))
        x = relu(dense(x, layer.trunk["layer_0"]))
        answers = {n: relu(dense(x, layer.out_of[n])) for n in "abc"}
    np.testing.assert_allclose(
        fused[1:], (answers["a"] + answers["c"])[1:] / 2, atol=1e-5
    )


def test_the_gradient_turns_round_and_the_value_does_not():
    import tensorflow as tf

    x = tf.constant([1.0, -2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = reverse_gradient(x)
        loss = ops.sum(y * ops.convert_to_tensor([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(tape.gradient(loss, x), [-1.0, -2.0, -3.0])


def classifier(fusion):
    inputs = {n: keras.Input((4,), name=n) for n in "ab"}
    outputs = {
        n: {
            "vector": x,
            "tokens": ops.expand_dims(x, 1),
            "mask": ops.ones_like(x[:, :1]),
        }
        for n, x in inputs.items()
    }
    present = keras.Input((1,), name="present")
    fused = fusion(outputs, present={"a": present})
    y = keras.layers.Dense(3, "softmax", name="label")(fused)
    return keras.Model({**inputs, "present": present}, {"label": y})


@pytest.mark.parametrize("fusion", [MultiView, ModalityInvariant])
def test_the_loss_takes_part_in_fit_and_not_in_evaluate(fusion):
    keras.utils.set_random_seed(0)
    model = classifier(fusion(6))
    rng = np.random.default_rng(0)
    x = {n: rng.normal(size=(8, 4)).astype("float32") for n in "ab"}
    x["present"] = rng.integers(0, 2, (8, 1)).astype("float32")
    y = {"label": rng.integers(0, 3, 8)}
    loss = {"label": "sparse_categorical_crossentropy"}
    model.compile(keras.optimizers.SGD(0.0), loss=loss)
    term = model.evaluate(x, y, verbose=0)
    fitted = model.fit(x, y, verbose=0).history["loss"][0]
    plain = float(
        keras.losses.SparseCategoricalCrossentropy()(
            y["label"], model.predict(x, verbose=0)["label"]
        )
    )
    assert term == pytest.approx(plain, abs=1e-5)
    assert fitted > term + 1e-4


def test_the_critic_learns_and_the_shared_parts_hide():
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    critic, there = ModalityCritic(1.0), np.ones((32, 2, 1), "float32")
    x = np.random.default_rng(0).normal(size=(32, 2, 4)).astype("float32")
    x[:, 0] += 2
    x = tf.Variable(x)
    critic.build(x.shape)
    optimizer = keras.optimizers.SGD(0.5)
    weights = critic.trainable_weights
    optimizer.build(weights)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = critic.critic_loss(x, there)
        *gradients, back = tape.gradient(loss, [w.value for w in weights] + [x])
        optimizer.apply(gradients, weights)
        return loss, back

    losses = [float(step()[0]) for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]
    # The same descent takes what it sees the other way.
    loss, back = step()
    x.assign_sub(10 * back)
    assert critic.critic_loss(x, there) > loss


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: Graph(nodes="pixels"),
            "`nodes` .*modalities, tokens.*'pixels'",
        ),
        (lambda: Graph(rounds=0), "`rounds` must be a positive.*0"),
        (
            lambda: MultiChannelAttention(6, groups=4),
            "multiple of `groups`.*units=6, groups=4",
        ),
        (lambda: MultiView(agreement=-1), "`agreement` must not.*-1"),
        (lambda: ModalityInvariant(adversary=-1), "`adversary` must not.*-1"),
        (lambda: MIMO(depth=0), "`depth` must be a positive.*0"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()

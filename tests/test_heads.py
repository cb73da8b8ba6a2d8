"""Heads: outputs, losses and metrics against NumPy."""

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from mmkeras import heads

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 5, 16)
LIKELY = RNG.dirichlet(np.ones(5), 16).astype("float32")
WEIGHTS = [0.5, 1.0, 1.5, 2.0, 3.0]
FEATURES = {
    "sound": {
        "tokens": RNG.normal(size=(8, 6, 4)).astype("float32"),
        "mask": np.ones((8, 6), "float32"),
    }
}


def one_hot(labels, classes):
    return np.eye(classes)[labels]


def cross_entropy(labels, probabilities, smoothing):
    classes = probabilities.shape[1]
    wanted = one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
    return -(wanted * np.log(probabilities)).sum(1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_cross_entropy_equals_numpy(smoothing, weights):
    loss = heads.Category(
        5, label_smoothing=smoothing, class_weights=weights
    ).loss()
    each = cross_entropy(LABELS, LIKELY, smoothing)
    each = each * np.array(weights or [1.0] * 5)[LABELS]
    assert float(loss(LABELS, LIKELY)) == pytest.approx(each.mean(), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_the_focal_loss_equals_numpy(gamma):
    loss = heads.Category(5, focal_gamma=gamma, class_weights=WEIGHTS).loss()
    true = LIKELY[np.arange(16), LABELS]
    each = (1 - true) ** gamma * -np.log(true) * np.array(WEIGHTS)[LABELS]
    assert float(loss(LABELS, LIKELY)) == pytest.approx(each.mean(), rel=1e-5)


@pytest.mark.parametrize("options", [{}, {"focal_gamma": 2.0}])
def test_a_sequence_s_loss_is_that_of_its_steps(options):
    options["class_weights"] = WEIGHTS
    steps = heads.Sequence(5, steps=4, **options).loss()
    found = steps(LABELS.reshape(4, 4), LIKELY.reshape(4, 4, 5))
    each = heads.Category(5, **options).loss()(LABELS, LIKELY)
    assert float(found) == pytest.approx(float(each), rel=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_weighted_binary_cross_entropy_equals_numpy(gamma):
    truth = RNG.integers(0, 2, (16, 3)).astype("float32")
    likely = RNG.uniform(0.05, 0.95, (16, 3)).astype("float32")
    weights = np.array([0.5, 1.0, 4.0])
    head = heads.Categories(3, 0.0, class_weights=weights, focal_gamma=gamma)
    right = np.where(truth == 1, likely, 1 - likely)
    each = (1 - right) ** gamma * -np.log(right)
    each = each * np.where(truth == 1, weights, 1)
    assert float(head.loss()(truth, likely)) == pytest.approx(
        each.mean(), rel=1e-5
    )


def test_weights_of_one_change_nothing():
    truth = RNG.integers(0, 2, (16, 3)).astype("float32")
    likely = RNG.uniform(0.05, 0.95, (16, 3)).astype("float32")
    plain, weighted = (
        float(heads.Categories(3, 0.1, class_weights=w).loss()(truth, likely))
        for w in (None, [1.0] * 3)
    )
    assert plain == pytest.approx(weighted, rel=1e-6)


def test_balanced_weights_are_those_of_scikit_learn():
    labels = np.repeat([0, 1, 2], [30, 5, 12])
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert heads.balanced([30, 5, 12]) == pytest.approx(wanted)
    assert heads.balanced([2, 0, 2]) == [1.0, 1.0, 1.0]


def test_squared_error_is_in_units_of_the_variance():
    labels = RNG.normal(10, 4, 16).astype("float32")
    outputs = RNG.normal(10, 4, (16, 1)).astype("float32")
    loss = heads.Number(mean=10, std=4).loss()
    assert float(loss(labels, outputs)) == pytest.approx(
        (((labels - outputs[:, 0]) / 4) ** 2).mean(), rel=1e-5
    )


def test_huber_is_half_the_square_and_then_a_line():
    loss = heads.Number(mean=10, std=4, huber_delta=0.5).loss()
    outputs = np.array([[10.0], [11.0], [18.0]], "float32")
    wanted = np.mean([0, 0.25**2 / 2, 0.5 * (2 - 0.25)])
    assert float(loss(np.full(3, 10.0), outputs)) == pytest.approx(wanted)


def embedded(samples=12):
    x = RNG.normal(size=(samples, 5))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("float32")
    ids = np.array([0, 0, 1, 1, 1, 2, 3, 3, -1, 0, -1, 4])
    return ids[:samples], x


def pairs(ids):
    other = (ids[:, None] >= 0) & (ids >= 0) & ~np.eye(len(ids), dtype=bool)
    return other, other & (ids[:, None] == ids)


def test_info_nce_equals_numpy():
    ids, x = embedded()
    other, match = pairs(ids)
    scores = np.exp(x @ x.T / 0.2)
    likely = scores / np.maximum((scores * other).sum(1, keepdims=True), 1)
    each = [
        -np.log(likely[i][match[i]]).mean() if match[i].any() else 0
        for i in range(len(ids))
    ]
    loss = heads.Embedding(5, temperature=0.2).loss()
    assert float(loss(ids, x)) == pytest.approx(np.mean(each), rel=1e-4)


def test_info_nce_of_two_views_is_the_symmetric_loss_of_pairs():
    _, x = embedded(8)
    first, second = x[:4], x[4:]
    # Of the views alone, as between two modalities: CLIP's.
    scores = np.block(
        [
            [first @ first.T, first @ second.T],
            [second @ first.T, second @ second.T],
        ]
    )
    np.fill_diagonal(scores, -np.inf)
    likely = np.exp(scores / 0.1)
    likely /= likely.sum(1, keepdims=True)
    partner = np.r_[4:8, 0:4]
    wanted = -np.log(likely[np.arange(8), partner]).mean()
    loss = heads.InfoNCE(0.1)(np.r_[0:4, 0:4], x)
    assert float(loss) == pytest.approx(wanted, rel=1e-4)


def test_siglip_equals_numpy():
    ids, x = embedded()
    other, match = pairs(ids)
    signed = np.where(match, 1, -1) * (x @ x.T / 0.1 - 5)
    each = (other * -np.log(sigmoid(signed))).sum(1)
    loss = heads.Embedding(5, objective="siglip").loss()
    assert float(loss(ids, x)) == pytest.approx(each.mean(), rel=1e-4)


def test_recall_in_the_batch_asks_those_with_a_match():
    ids, x = embedded()
    (metric,) = heads.Embedding(5).metrics()
    weights = np.r_[0.0, np.ones(11)]
    metric.update_state(ids, x, weights)
    other, match = pairs(ids)
    near = np.where(other, x @ x.T, -9).argmax(1)
    asked = match.any(1) & (weights > 0)
    right = match[np.arange(12), near]
    assert float(metric.result()) == pytest.approx(right[asked].mean())


def test_rmse_pairs_a_label_with_its_own_output():
    labels = np.array([1.0, 5.0], "float32")
    outputs = np.array([[2.0], [5.0]], "float32")
    (metric,) = heads.Number().metrics()
    metric.update_state(labels, outputs)
    assert float(metric.result()) == pytest.approx(np.sqrt(0.5))


def test_an_ordinal_s_distance_is_in_classes():
    distance = heads.Ordinal(4).metrics()[1]
    likely = np.eye(4, dtype="float32")[[0, 3, 2]]
    distance.update_state(np.array([0, 1, 3]), likely, np.array([1.0, 1, 0]))
    assert float(distance.result()) == 1


def test_an_ordinal_s_classes_follow_from_the_conditionals():
    x = RNG.normal(size=(16, 3)).astype("float32") * 3
    logits = np.asarray(heads.ConditionalsToLogits()(x))
    yes = sigmoid(x.astype(float))
    wanted = np.stack(
        [
            1 - yes[:, 0],
            yes[:, 0] * (1 - yes[:, 1]),
            yes[:, 0] * yes[:, 1] * (1 - yes[:, 2]),
            yes.prod(1),
        ],
        axis=1,
    )
    np.testing.assert_allclose(np.exp(logits), wanted, rtol=1e-4)


def test_the_loss_of_an_ordinal_is_corn_s():
    x = RNG.normal(size=(64, 3)).astype("float32")
    labels = RNG.integers(0, 4, 64)
    # Shi et al., equation 4: question k asks those that are at least k.
    total = 0.0
    for k in range(3):
        asked = labels >= k
        further = labels[asked] > k
        log_yes = np.log(sigmoid(x[asked, k].astype(float)))
        log_no = np.log(1 - sigmoid(x[asked, k].astype(float)))
        total -= np.where(further, log_yes, log_no).sum()
    likely = keras.ops.softmax(heads.ConditionalsToLogits()(x))
    loss = heads.Ordinal(4).loss()
    assert float(loss(labels, likely)) == pytest.approx(total / 64, rel=1e-5)


def test_an_ordinal_that_is_sure_and_wrong_still_learns():
    model = model_of(heads.Ordinal(3))
    model.compile("sgd", loss=heads.Ordinal(3).loss(), jit_compile=False)
    # A probability of e-90 is 0 in float32; its logarithm is not.
    model.set_weights([np.full((4, 2), 25.0), np.zeros(2)])
    model.train_on_batch(np.ones((2, 4)), {"y": np.zeros(2)})
    assert (model.get_weights()[0][:, 0] < 25).all()


@pytest.mark.parametrize(
    "tokens, steps, wanted",
    [
        (2, 4, [0, 0, 1, 1]),
        (4, 2, [0.5, 2.5]),
        (3, 2, [1 / 3, 5 / 3]),
        (3, 3, [0, 1, 2]),
        (2, 3, [0, 0.5, 1]),
    ],
)
def test_tokens_are_repeated_or_averaged_to_steps(tokens, steps, wanted):
    x = np.arange(tokens, dtype="float32").reshape(1, tokens, 1)
    y = heads.TokensToSteps(steps)(x, np.ones((1, tokens)))
    np.testing.assert_allclose(np.asarray(y)[0, :, 0], wanted, atol=1e-6)


def test_padding_counts_for_no_step():
    x = np.array([[[1.0], [9.0], [5.0], [7.0]]], "float32")
    y = heads.TokensToSteps(2)(x, np.array([[1.0, 0, 0, 0]]))
    np.testing.assert_allclose(np.asarray(y)[0, :, 0], [1, 0])


def model_of(head, name="y"):
    x = keras.Input((4,), name="x")
    return keras.Model(x, {name: head(x, name)})


HEADS = {
    "category": (heads.Category(3), (3,), 0, 1),
    "categories": (heads.Categories(4, dropout=0.5), (4,), 0, 1),
    "ordinal": (heads.Ordinal(5), (5,), 0, 1),
    "sequence": (heads.Sequence(3, steps=7), (7, 3), 0, 1),
    "number": (heads.Number(mean=100, std=5), (1,), 50, 150),
    "embedding": (heads.Embedding(6), (6,), -1, 1),
}


@pytest.mark.parametrize("kind", HEADS)
def test_outputs_have_the_target_s_shape_and_range(kind):
    head, shape, low, high = HEADS[kind]
    x = RNG.normal(size=(8, 4)).astype("float32")
    y = np.asarray(model_of(head)(x)["y"])
    assert y.shape == (8, *shape)
    assert y.dtype == "float32"
    assert (y >= low).all() and (y <= high).all()
    if kind in ("category", "ordinal", "sequence"):
        np.testing.assert_allclose(y.sum(-1), 1, rtol=1e-5)
    if kind == "embedding":
        np.testing.assert_allclose((y**2).sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("kind", sorted(set(HEADS) - {"sequence"}))
def test_an_answer_that_a_fusion_found_is_finished(kind):
    head = HEADS[kind][0]
    x = keras.Input((head.outputs,))
    answer = keras.layers.Activation(head.activation)(x)
    y = head.finish(answer, "y")
    model = keras.Model(x, {"y": y})
    values = RNG.normal(size=(4, head.outputs)).astype("float32")
    found = np.asarray(model(values)["y"])
    assert model.get_layer("y").dtype_policy.name == "float32"
    assert model.count_params() == 0
    if kind == "number":
        np.testing.assert_allclose(found, values * 5 + 100, rtol=1e-6)
    elif kind == "embedding":
        np.testing.assert_allclose((found**2).sum(1), 1, rtol=1e-5)
    else:
        np.testing.assert_allclose(
            found, keras.ops.convert_to_numpy(keras.Model(x, answer)(values))
        )


def test_a_sequence_is_no_answer_of_one_vector():
    with pytest.raises(ValueError, match="Received: the sequence `move`"):
        heads.Sequence(3, steps=7).finish(None, "move")


def test_a_sequence_reads_the_tokens_of_its_modality():
    head = heads.Sequence(3, steps=6, modality="sound", units=8)
    x = keras.Input((4,))
    inputs = {
        name: keras.Input(value.shape[1:])
        for name, value in FEATURES["sound"].items()
    }
    y = head(x, "y", {"sound": inputs})
    model = keras.Model([x, inputs["tokens"], inputs["mask"]], y)
    fused = np.ones((8, 4), "float32")
    tokens, mask = FEATURES["sound"].values()
    before = np.asarray(model([fused, tokens, mask]))
    changed = tokens.copy()
    changed[:, 2] += 5
    after = np.asarray(model([fused, changed, mask]))
    differs = np.abs(after - before).max(axis=(0, 2)) > 1e-3
    assert differs.tolist() == [False, False, True, False, False, False]
    absent = [
        np.asarray(model([fused, t, np.zeros_like(mask)]))
        for t in (tokens, changed)
    ]
    np.testing.assert_array_equal(*absent)


def stepwise(steps, count, names=("a", "b"), width=2):
    """A sequence head over `count` tokens of each of some modalities."""
    head = heads.Sequence(2, steps=steps, modality=names, units=16)
    fused = keras.Input((1,), name="fused")
    tokens = {name: keras.Input((count, width), name=name) for name in names}
    mask = keras.ops.ones_like(fused)
    mask = keras.ops.repeat(mask, count, axis=1)
    found = {n: {"tokens": x, "mask": mask} for n, x in tokens.items()}
    return keras.Model({"fused": fused, **tokens}, head(fused, "y", found))


@pytest.mark.parametrize(
    "steps, count, changed",
    [
        (6, 6, [2]),
        (6, 3, [4, 5]),  # a token over two steps
        (7, 3, [4, 5, 6]),  # the fifth step lies under two tokens
        (3, 6, [1]),
    ],
)
def test_each_step_sees_the_tokens_under_it_of_each_modality(
    steps, count, changed
):
    model = stepwise(steps, count)
    rng = np.random.default_rng(0)
    x = {n: rng.normal(size=(4, count, 2)).astype("f4") for n in "ab"}
    x["fused"] = np.zeros((4, 1), "f4")
    before = np.asarray(model(x))
    for name in "ab":
        other = {**x, name: x[name].copy()}
        other[name][:, 2] += 3
        gap = np.abs(np.asarray(model(other)) - before).max(axis=(0, 2))
        assert np.flatnonzero(gap > 1e-4).tolist() == changed


def test_a_token_over_several_steps_answers_each_of_them_apart():
    model = stepwise(8, 2, names=("a",))
    x = np.random.default_rng(0).normal(size=(4, 2, 2)).astype("f4")
    y = np.asarray(model({"a": x, "fused": np.zeros((4, 1), "f4")}))
    steps = np.abs(np.diff(y[:, :4, 0], axis=1)).max(axis=0)
    assert (steps > 1e-3).all()


def test_modalities_are_fused_step_by_step():
    # Neither tells the label alone; one series of two channels reaches 0.985.
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = {n: rng.normal(size=(2000, 8, 1)).astype("f4") for n in "ab"}
    y = (x["a"] + x["b"] > 0)[:, :, 0].astype("int32")
    x["fused"] = np.zeros((2000, 1), "f4")
    model = stepwise(8, 8, width=1)
    model.compile(
        keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy"
    )
    model.fit(x, y, batch_size=500, epochs=20, verbose=0)
    found = np.asarray(model(x)).argmax(-1)
    assert (found == y).mean() > 0.97


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_computes_in_mixed_precision(kind):
    head, shape, *_ = HEADS[kind]
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = model_of(head)
    finally:
        keras.config.set_dtype_policy("float32")
    y = np.asarray(model(RNG.normal(size=(8, 4)))["y"])
    assert y.dtype == "float32" and y.shape == (8, *shape)
    assert np.isfinite(y).all()


def test_compile_arguments_are_by_target():
    two = {"b": heads.Number(weight=0.5), "a": heads.Category(2)}
    assert list(heads.losses(two)) == ["a", "b"]
    assert heads.loss_weights(two) == {"a": 1.0, "b": 0.5}
    assert [m.name for m in heads.metrics(two)["a"]] == ["accuracy"]


LOSSES = [
    heads.Category(3, 0.1, class_weights=[1, 2, 3]),
    heads.Category(3, focal_gamma=2.0),
    heads.Categories(3, class_weights=[1, 2, 3], focal_gamma=1.0),
    heads.Number(1, 2),
    heads.Number(1, 2, huber_delta=1.5),
    heads.Embedding(temperature=0.3),
    heads.Embedding(objective="siglip"),
]


@pytest.mark.parametrize("head", LOSSES, ids=lambda h: type(h.loss()).__name__)
def test_losses_are_rebuilt_from_their_config(head):
    loss = head.loss()
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: heads.Category(3, class_weights=[1]), r"3 classes.*\[1\]"),
        (lambda: heads.Category(3, class_weights="balanced"), "'balanced'"),
        (lambda: heads.Category(3, focal_gamma=-1), "at least 0.*-1"),
        (lambda: heads.Category(3, 0.1, focal_gamma=2), "label_smoothing=0.1"),
        (lambda: heads.Number(huber_delta=0), "`huber_delta` must be above 0"),
        (lambda: heads.Embedding(objective="clip"), "info_nce, siglip.*'clip'"),
        (lambda: heads.InfoNCE(0), "`temperature` must be above 0"),
        (lambda: heads.Focal(-2), "`gamma` must be at least 0"),
    ],
)
def test_a_wrong_argument_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

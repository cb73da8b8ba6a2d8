"""A student that learns from teachers, and what must hold meanwhile."""

import keras
import numpy as np
import pytest
from compiling import compiled, forward
from compress.distillation_toys import (
    HEADS,
    SIZES,
    network,
    ready,
    samples,
)
from keras.distillation import FeatureDistillation
from training.training_toys import HEADS as TOY_HEADS
from training.training_toys import toy_data, toy_model

from mmkeras.compress import (
    Distiller,
    KeepClusters,
    KeepSparsity,
    Relations,
    SoftLabels,
    cluster,
    distill,
    kernels_of,
    prune,
    quantize_aware,
    strip_quantization,
)
from mmkeras.heads import Category
from mmkeras.training import FullFineTune


def normalised_teacher(seed=0):
    """A teacher whose inference differs from its training."""
    model = network(seed=seed)
    fused = model.get_layer("fusion").output
    x = keras.layers.BatchNormalization()(fused)
    x = keras.layers.Dropout(0.5)(x)
    y = {name: head(x, f"{name}") for name, head in HEADS.items()}
    return keras.Model(model.input, y)


def test_the_teacher_stays_bit_for_bit_and_the_student_is_saved(tmp_path):
    teacher, student = normalised_teacher(), network(units=4, seed=1)
    before = [w.copy() for w in teacher.get_weights()]
    first = [w.copy() for w in student.get_weights()]
    x, y = samples()
    losses_ = [
        SoftLabels(2.0, weights={"size": 0.1}),
        FeatureDistillation("mse", "fusion", "sound_tower/vector"),
        Relations("fusion", "fusion"),
    ]
    distiller = ready(Distiller(teacher, student, losses_, [1, 0.1, 1]))
    history = distiller.fit(x, y, epochs=3, batch_size=20, verbose=0).history
    assert history["distillation_loss"][-1] < history["distillation_loss"][0]
    assert teacher.trainable
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    # No sample lacks a column, so those two kernels have no gradient.
    for weight, old in zip(student.weights, first, strict=True):
        still = weight.path.endswith("if_missing/kernel")
        if weight.trainable:
            assert np.array_equal(old, weight.numpy()) == still

    assert distiller.layers == [student]
    with pytest.raises(ValueError, match="`distiller.student`"):
        distiller.save(tmp_path / "distiller.keras")
    student.save(tmp_path / "student.keras")
    again = keras.saving.load_model(tmp_path / "student.keras", compile=False)
    assert again.count_params() == network(units=4).count_params()
    found = forward(again, x)
    for name, wanted in forward(student, x).items():
        np.testing.assert_array_equal(found[name], wanted)


def test_present_has_the_columns_of_the_modalities_a_model_takes():
    teacher, student = network(), network(units=4, seed=1)
    x, y = samples()
    smelt = np.random.default_rng(1).integers(0, 2, (40, 1))
    batch = {**x, "present": np.float32(np.hstack([smelt, x["present"]]))}
    distiller = ready(Distiller(teacher, student, optional=["smell", "sound"]))
    found = forward(distiller, batch)
    for name, wanted in forward(student, x).items():
        np.testing.assert_array_equal(found[name], wanted)
    with pytest.raises(ValueError, match="`optional` must name 1"):
        Distiller(teacher, student, optional=["smell", "touch"])


def cluster_samples(count, seed):
    """What is heard says the digit with noise, what is seen without."""
    draw = np.random.default_rng(seed)
    digit = draw.integers(0, 4, count)
    centres = np.random.default_rng(5).normal(size=(4, 6))
    sound = centres[digit] + draw.normal(scale=0.8, size=(count, 6))
    sight = np.eye(4)[digit] @ np.eye(4, 5)
    x = {"sound": np.float32(sound), "sight": np.float32(sight)}
    return x, {"digit": np.int32(digit)}


def digit_model(names, units, seed):
    keras.utils.set_random_seed(seed)
    inputs = {n: keras.Input((SIZES[n],), name=n) for n in names}
    joined = [inputs[n] for n in sorted(names)]
    x = keras.layers.concatenate(joined) if len(names) > 1 else joined[0]
    x = keras.layers.Dense(units, activation="relu")(x)
    return keras.Model(inputs, {"digit": Category(4)(x, "digit")})


def test_a_student_that_hears_learns_from_a_teacher_that_sees():
    x, y = cluster_samples(800, seed=1)
    test_x, test_y = cluster_samples(2000, seed=2)
    loss = {"digit": Category(4).loss()}

    teacher = digit_model(("sight", "sound"), 32, seed=0)
    compiled(teacher, (x, y), keras.optimizers.Adam(0.01), loss)
    teacher.fit(x, y, epochs=8, batch_size=50, verbose=0)

    # Twelve of the 800 samples have a label for the student.
    weight = {"digit": np.float32(np.arange(800) < 12)}
    accuracy = {}
    for share in (1.0, 0.1):
        student = distill(
            teacher,
            digit_model(("sound",), 16, seed=1),
            keras_batches(x, y, weight),
            epochs=15,
            loss=loss,
            optimizer=keras.optimizers.Adam(0.01),
            student_loss_weight=share,
        )
        found = forward(student, {"sound": test_x["sound"]})["digit"].argmax(1)
        accuracy[share] = np.mean(found == test_y["digit"])
    assert accuracy[0.1] >= accuracy[1.0] + 0.08
    assert accuracy[0.1] >= 0.8


def keras_batches(*parts):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(parts).batch(50)


def test_what_pruning_and_clustering_won_stays():
    teacher = network()
    student = cluster(prune(network(units=8, seed=1), 0.5), clusters=5)
    before = {k.path: k.variable.numpy() for k in kernels_of(student)}
    x, y = samples()
    callbacks = [KeepSparsity(), KeepClusters()]
    distiller = ready(Distiller(teacher, student), run_eagerly=True)
    distiller.fit(x, y, epochs=3, verbose=0, callbacks=callbacks)
    changed = 0
    for kernel in kernels_of(student):
        old, new = before[kernel.path], kernel.variable.numpy()
        assert not new[old == 0].any()
        assert len(np.unique(new)) <= len(np.unique(old)) <= 5
        changed += not np.array_equal(old, new)
    assert changed > len(before) / 2


def test_a_strategy_trains_a_distiller_as_any_model():
    distiller = Distiller(toy_model(0), toy_model(1), student_loss_weight=0.1)
    history = FullFineTune(epochs=6, learning_rate=0.03).fit(
        distiller, toy_data(), TOY_HEADS, verbose=0
    )
    falls = history.history["distillation_loss"]
    assert falls[-1] < 0.7 * falls[0]


def test_a_student_learns_with_the_rounding_of_int8():
    teacher, student = network(), network(units=8, seed=1)
    rounded = quantize_aware(student)
    before = [w.copy() for w in student.get_weights()]
    x, y = samples()
    distiller = ready(Distiller(teacher, rounded, student_loss_weight=0.0))
    history = distiller.fit(x, y, epochs=10, verbose=0).history
    falls = history["distillation_loss"]
    assert falls[-1] < 0.8 * falls[0]
    assert strip_quantization(rounded) is student
    assert not np.array_equal(before[-1], student.get_weights()[-1])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"student_loss_weight": 1.5}, "`student_loss_weight` must be"),
        ({"distillation_loss_weights": [1, 2]}, "an entry for each of the 1"),
        ({"teacher": "other"}, "`digit` of shape .None, 4.*no such target"),
        (
            {"distillation_losses": FeatureDistillation("mse", "fusio", "x")},
            "`teacher_layer_name` must be the path.*Nearest: .'fusion'",
        ),
        (
            {"distillation_losses": FeatureDistillation("mse", "fusion")},
            "one of the student, or neither",
        ),
        (
            {"teacher": "same", "student": "tanh"},
            "`SoftLabels.activations=.*'word'",
        ),
        (
            {"teacher": "two", "distillation_losses": Relations("a", "b")},
            "`teacher` must be one model",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    student = network(units=4)
    x = keras.Input((5,), name="sight")
    bent = keras.layers.Dense(2, activation="tanh")
    tanh = keras.Model(x, {"word": bent(x)})
    models = {"other": tanh, "tanh": tanh, "same": tanh, "two": [student] * 2}
    for role in ("teacher", "student"):
        change = {**change, role: models.get(change.get(role), student)}
    with pytest.raises(ValueError, match=message):
        Distiller(**change)

"""Each loss of distillation equals the paper's formula in NumPy."""

import keras
import numpy as np
import pytest
from compress.distillation_toys import HEADS, network, ready, samples
from keras.distillation import FeatureDistillation

from mmkeras.compress import Distiller, Relations, SoftLabels


def logits(model, x):
    """What the heads compute before their activation, as NumPy."""
    names = {"digit": "digit_logits", "tags": "tags_logits", "size": "size"}
    outputs = {k: model.get_layer(name).output for k, name in names.items()}
    inner = keras.Model(model.input, outputs)
    x = {name: x[name] for name in model.input}
    return {k: np.float64(v) for k, v in inner(x, training=False).items()}


def softmax(z):
    z = np.exp(z - z.max(-1, keepdims=True))
    return z / z.sum(-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def kl(p, q):
    return (p * np.log(p / q)).sum(-1)


def bernoulli(p, q):
    both = np.stack([p, 1 - p], -1), np.stack([q, 1 - q], -1)
    return kl(*both).mean(-1)


def reference(teachers, student, x, temperature):
    """The sum of the soft losses, from the papers, in float64."""
    taught, learnt = [logits(each, x) for each in teachers], logits(student, x)
    digit = np.mean([softmax(z["digit"]) for z in taught], axis=0)
    tags = np.mean([sigmoid(z["tags"]) for z in taught], axis=0)
    size = np.mean([z["size"] for z in taught], axis=0)
    tags = sigmoid(np.log(tags / (1 - tags)) / temperature)
    return np.mean(
        temperature**2
        * kl(
            softmax(np.log(digit) / temperature),
            softmax(learnt["digit"] / temperature),
        )
        + temperature**2
        * bernoulli(tags, sigmoid(learnt["tags"] / temperature))
        + (size - learnt["size"])[:, 0] ** 2 / HEADS["size"].std ** 2
    )


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("count", [1, 3])
def test_soft_labels_equal_the_papers(temperature, count):
    teachers = [network(seed=i) for i in range(count)]
    student = network(units=4, seed=9)
    x, y = samples()
    distiller = ready(
        Distiller(teachers, student, SoftLabels(temperature)), run_eagerly=True
    )
    found = distiller.evaluate(x, y, batch_size=40, verbose=0, return_dict=True)
    wanted = reference(teachers, student, x, temperature)
    assert found["distillation_loss"] == pytest.approx(wanted, abs=1e-6)
    assert found["loss"] == pytest.approx(
        0.5 * found["label_loss"] + 0.5 * wanted, abs=1e-5
    )


def rkd(teacher, student, distance_weight, angle_weight):
    """Relational distillation with loops over pairs and triples."""

    def huber(a, b):
        error = abs(a - b)
        return 0.5 * error**2 if error < 1 else error - 0.5

    def unit(v):
        return v / max(np.linalg.norm(v), 1e-12)

    count, tables, cosines = len(teacher), [], []
    for z in (teacher, student):
        d = np.array([[np.linalg.norm(a - b) for b in z] for a in z])
        tables.append(d / d[d > 0].mean())
        cosines.append(
            [unit(a - b) @ unit(a - c) for a in z for b in z for c in z]
        )
    distance = np.mean([huber(*p) for p in zip(*map(np.ravel, tables))])
    angle = np.sum([huber(*p) for p in zip(*cosines)]) / count**3
    return distance_weight * distance + angle_weight * angle


def test_relations_equal_the_paper():
    draw = np.random.default_rng(3)
    teacher, student = draw.normal(size=(7, 5)), draw.normal(size=(7, 2, 2))
    loss = Relations("a", "b", distance_weight=1.5, angle_weight=2.5)
    found = loss.compute_loss(teacher.astype("float32"), np.float32(student))
    wanted = rkd(teacher, student.reshape(7, 4), 1.5, 2.5)
    assert float(found) == pytest.approx(wanted, abs=1e-6)
    # Samples without weight are as if they were not there.
    weight = np.float32([1, 1, 1, 0, 1, 0, 1])
    found = loss.compute_loss(
        teacher.astype("float32"), np.float32(student), weight=weight
    )
    kept = weight == 1
    wanted = rkd(teacher[kept], student.reshape(7, 4)[kept], 1.5, 2.5)
    assert float(found) == pytest.approx(wanted, abs=1e-6)


def test_layers_equal_numpy_through_nested_towers():
    teacher, student = network(units=16), network(units=4, seed=1)
    pairs = {
        "fusion": FeatureDistillation("mse", "fusion", "fusion"),
        "sight_tower/vector": FeatureDistillation(
            "mse", "sight_tower/vector", "sight_tower/vector"
        ),
    }
    distiller = ready(
        Distiller(teacher, student, list(pairs.values()), [1.0, 0.25]),
        run_eagerly=True,
    )
    x, y = samples(12)
    found = distiller.evaluate(x, y, batch_size=12, verbose=0, return_dict=True)
    wanted = 0.0
    for path, weight, projection in zip(
        pairs, [1.0, 0.25], distiller._projections, strict=True
    ):
        taught, learnt = (inner(each, path, x) for each in (teacher, student))
        kernel, bias = (np.float64(w) for w in projection.get_weights())
        wanted += weight * np.mean((taught - (learnt @ kernel + bias)) ** 2)
    assert found["distillation_loss"] == pytest.approx(wanted, abs=1e-6)


def inner(model, path, x):
    """Output of the fusion, or of a tower called by itself."""
    if path == "fusion":
        output = model.get_layer(path).output
        return np.float64(keras.Model(model.input, output)(x))
    name, _, key = path.partition("/")
    tower = model.get_layer(name)
    return np.float64(tower(x[tower.inputs[0].name])[key])


def test_a_sample_without_label_learns_from_the_teacher_alone():
    teacher, student = network(), network(units=4, seed=1)
    x, y = samples()
    none = {name: np.zeros(40, "float32") for name in y}
    distiller = ready(Distiller(teacher, student))
    figures = distiller.evaluate(
        x, y, sample_weight=none, verbose=0, return_dict=True
    )
    assert figures["label_loss"] == 0
    alone = Distiller(teacher, student)
    alone.compile("adam")
    no_labels = alone.evaluate(x, verbose=0, return_dict=True)
    for found in (figures, no_labels):
        assert found["loss"] == pytest.approx(
            0.5 * found["distillation_loss"], rel=1e-6
        )
    assert no_labels["distillation_loss"] == pytest.approx(
        figures["distillation_loss"], rel=1e-6
    )


def test_samples_the_student_cannot_hear_do_not_count():
    teacher, student = network(), network(("sound",), units=4, seed=1)
    assert sorted(student.input) == ["sound"]
    x, y = samples()
    distiller = ready(Distiller(teacher, student, optional=["sound"]))
    whole = distiller.evaluate(x, y, batch_size=40, verbose=0, return_dict=True)
    there = x["present"][:, 0] == 1
    part = {name: array[there] for name, array in x.items()}
    wanted = reference([teacher], student, part, 4.0)
    assert whole["distillation_loss"] == pytest.approx(wanted, abs=1e-6)
    heard = student({"sound": part["sound"]})["digit"].numpy().argmax(1)
    assert whole["digit_accuracy"] == pytest.approx(
        np.mean(heard == y["digit"][there]), abs=1e-6
    )


def test_a_dense_with_its_activation_inside_teaches_as_well():
    x = np.random.default_rng(0).normal(size=(30, 6)).astype("float32")
    inputs = keras.Input((6,))
    joined = keras.layers.Dense(3, activation="softmax")
    teacher = keras.Model(inputs, joined(inputs))
    apart = keras.layers.Dense(3)
    student = keras.Model(inputs, keras.layers.Softmax()(apart(inputs)))
    distiller = Distiller(teacher, student, SoftLabels(3.0))
    distiller.compile("adam")
    found = distiller.evaluate(x, batch_size=30, verbose=0, return_dict=True)
    kernel = [np.float64(d.kernel) for d in (joined, apart)]
    p, q = (softmax(np.float64(x) @ w / 3) for w in kernel)
    assert found["distillation_loss"] == pytest.approx(
        9 * kl(p, q).mean(), abs=1e-6
    )


@pytest.mark.parametrize(
    "options, message",
    [
        ({"temperature": 0}, "`temperature` must be above 0"),
        ({"activations": {"digit": "tanh"}}, "`activations` must name one of"),
    ],
)
def test_soft_labels_refuse_what_they_do_not_know(options, message):
    with pytest.raises(ValueError, match=message):
        SoftLabels(**options)

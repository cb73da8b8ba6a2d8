"""Int8: two recipes and the choice, the layers it hurts, mixed precision."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers

from mmkeras.export import (
    FORMATS,
    SILENCE_DB,
    Candidate,
    ConversionContext,
    ConvertedModel,
    ExportJob,
    Labelled,
    ProducedFile,
    Samples,
    Settings,
    advise,
    best_of,
    choose,
    count_operators,
    decibels,
    errors_by_layer,
    fewest_floats,
    find_departure,
    find_ranges,
    layer_errors,
    layer_path,
    loop_of,
    narrow_convolutions,
    noise_ratio,
    open_file,
    operators,
    own_errors,
    quantize_apart,
    quantize_full,
    quantize_mixed,
    quantize_tflite,
    run_all,
    to_tflite,
    worth_floating,
)
from mmkeras.export import worker as work
from mmkeras.export.conversion import Notes
from mmkeras.spec import DataSpec
from mmkeras.towers import LogMel

RNG = np.random.default_rng(0)


def hostile_model():
    """One unit of `wild` is far larger than what `calm_2` decides by."""
    keras.utils.set_random_seed(5)
    x = keras.Input((16,), name="x")
    h = layers.Dense(32, "relu", name="calm_0")(x)
    h = layers.Dense(32, "relu", name="calm_1")(h)
    h = layers.Dense(17, name="wild")(h)
    wild = layers.Rescaling([1.0] * 16 + [0.0], name="after")(h)
    h = layers.Dense(32, "relu", name="calm_2")(wild)
    y = layers.Dense(4, "softmax", name="label")(h)
    model = keras.Model({"x": x}, {"label": y})
    kernel, bias = model.get_layer("wild").get_weights()
    kernel[:, 16] *= 3000
    model.get_layer("wild").set_weights([kernel, bias])
    label = model.get_layer("label")
    label.kernel.assign(label.kernel * 20)
    return model


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    model = hostile_model()
    path = tmp_path_factory.mktemp("hostile") / "float.tflite"
    to_tflite(model, path)
    x = {"x": RNG.normal(size=(300, 16)).astype("float32")}
    labels = model.predict(x, verbose=0)["label"].argmax(1)
    return model, path, x, {"label": labels}


def layer_of(model, scope):
    return layer_path(model, scope).split("/")[-1]


def test_the_hostile_layer_stands_out(hostile):
    model, source, x, _ = hostile
    few = {"x": x["x"][:32]}
    own = own_errors(source, few, find_ranges(source, x))
    by_layer = {layer_of(model, scope): db for scope, db in own.items()}
    assert set(by_layer) == {"calm_0", "calm_1", "wild", "calm_2", "label"}
    # The one that makes the large value, and the one that reads it.
    hostile = {"wild", "calm_2"}
    calm = min(db for name, db in by_layer.items() if name not in hostile)
    assert all(by_layer[name] < calm - 10 for name in hostile)
    worst, gain = worth_floating(own)
    assert {layer_of(model, scope) for scope in worst} == hostile and gain > 10


@pytest.mark.parametrize(
    "write",
    [
        lambda model, source, path, x: to_tflite(model, path),
        lambda model, source, path, x: quantize_tflite(source, path, x),
        lambda model, source, path, x: quantize_full(source, path, x),
    ],
    ids=["float", "heavy", "full"],
)
def test_a_file_that_is_open_answers_the_same_while_another_takes_its_place(
    hostile, tmp_path, write
):
    model, source, x, _ = hostile
    path, few = tmp_path / "model.tflite", {"x": x["x"][:8]}
    quantize_tflite(source, path, few)
    before, run = path.stat().st_ino, open_file(path)
    wanted = run_all(run, few)["label"]
    write(model, source, path, few)
    np.testing.assert_array_equal(run_all(run, few)["label"], wanted)
    assert path.stat().st_ino != before
    assert [p.name for p in tmp_path.iterdir()] == ["model.tflite"]


def test_errors_grow_along_the_file(hostile, tmp_path):
    model, source, x, _ = hostile
    quantize_tflite(source, tmp_path / "int8.tflite", x)
    few = {"x": x["x"][:32]}
    found = layer_errors(source, tmp_path / "int8.tflite", few)
    by_layer = {layer_of(model, scope): db for scope, db in found.items()}
    assert by_layer["calm_0"] > 35 > 20 > by_layer["calm_2"]
    # A file compared with itself has no noise at all.
    same = layer_errors(source, source, few)
    assert set(same.values()) == {SILENCE_DB}


def test_mixed_precision_keeps_the_hostile_layer_in_float(hostile, tmp_path):
    model, source, x, labels = hostile
    quantize_tflite(source, tmp_path / "int8.tflite", x)
    target = tmp_path / "mixed.tflite"

    def drop(before, after):
        right = [
            (outputs["label"].argmax(1) == labels["label"]).mean()
            for outputs in (before, after)
        ]
        return right[0] - right[1]

    floats = quantize_mixed(source, target, x, Labelled(x, drop, 0.02))
    assert {layer_of(model, scope) for scope in floats} == {"wild", "calm_2"}

    def right(path):
        answers = run_all(open_file(path), x)["label"]
        return (answers.argmax(1) == labels["label"]).mean()

    assert right(tmp_path / "int8.tflite") < 0.9
    assert right(target) > 0.97
    assert target.stat().st_size < 0.8 * source.stat().st_size


@pytest.mark.parametrize(
    "needed, tries", [(0, 1), (1, 2), (3, 5), (8, 7), (20, 6)]
)
def test_as_few_layers_as_will_do_stay_float(needed, tries):
    own = {f"layer {i}": float(i) for i in reversed(range(12))}
    asked = []

    def drop(floats):
        asked.append(len(floats))
        assert floats == [f"layer {i}" for i in range(len(floats))]
        return 0.0 if len(floats) >= needed else 1.0

    found = fewest_floats(own, drop, limit=0.01)
    assert len(found) == min(needed, 12)
    assert len(asked) <= tries


def test_no_layer_is_worth_it_where_all_are_alike():
    own = dict.fromkeys("abcdefghijklmnopqrstuvwxyz", 40.0)
    assert worth_floating(own) == ([], 0.0)
    assert worth_floating({**own, "c": 10.0})[0] == ["c"]
    assert worth_floating({"alone": 3.0}) == ([], 0.0)


def mixed_input_model(recurrent=False):
    """Pixels and sound, with a spectral front end, and a loop if wanted."""
    keras.utils.set_random_seed(3)
    image = keras.Input((16, 16, 1), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(16, 3, activation="relu", name="first")(x)
    x = layers.Conv2D(32, 3, activation="relu", name="second")(x)
    x = layers.GlobalAveragePooling2D()(x)
    sound = keras.Input((1000,), name="sound")
    y = LogMel(4000, 128, 64, 16, name="sound_logmel")(sound)
    y = layers.LayerNormalization()(y)
    if recurrent:
        y = layers.GRU(16, name="loop")(y)
    else:
        y = layers.Conv1D(16, 3, activation="relu", name="along")(y)
        y = layers.GlobalAveragePooling1D()(y)
    x = layers.Concatenate()([x, y])
    x = layers.Dense(32, "relu", name="join")(x)
    return keras.Model(
        {"image": image, "sound": sound},
        {"label": layers.Dense(3, "softmax", name="label")(x)},
    )


def mixed_inputs(count=32):
    return {
        "image": RNG.integers(0, 256, (count, 16, 16, 1), dtype="uint8"),
        "sound": RNG.uniform(-1, 1, (count, 1000)).astype("float32"),
    }


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    model = mixed_input_model()
    path = tmp_path_factory.mktemp("recipes") / "float.tflite"
    to_tflite(model, path)
    return model, path, mixed_inputs()


def kinds(path):
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(str(path)).get_tensor_details()
    return [(d["name"], np.dtype(d["dtype"]).name) for d in details]


@pytest.mark.parametrize(
    "recipe, least_db",
    [("int8-heavy", 35), ("int8-full", 30), ("int16x8", 40)],
)
def test_each_recipe_answers_nearly_alike(
    converted, tmp_path, recipe, least_db
):
    model, source, x = converted
    target = tmp_path / "small.tflite"
    if recipe == "int8-full":
        quantize_full(source, target, x)
    else:
        bits = 16 if recipe == "int16x8" else 8
        quantize_tflite(source, target, x, bits=bits)
    found = run_all(open_file(target), x)
    expected = model.predict(x, verbose=0)
    assert decibels(noise_ratio(expected, found)) > least_db
    assert target.stat().st_size < source.stat().st_size
    # The front end is float in all of them, whatever comes behind.
    names = [kind for name, kind in kinds(target) if "logmel/" in name]
    assert not {"int8", "int16"} & set(names)
    count = count_operators(target)
    whole = recipe == "int8-full"
    softmax = [k for n, k in kinds(target) if n.startswith("StatefulPart")]
    assert ("int8" in softmax) == whole and count["CONV_2D"] == 3
    expected = "int16" if recipe == "int16x8" else "int8"
    assert expected in {kind for _, kind in kinds(target)}
    assert {"image": "uint8", "sound": "float32"}.items() <= {
        name.split("_")[-1].split(":")[0]: kind for name, kind in kinds(target)
        if name.startswith("serving_default")
    }.items()  # fmt: skip


def test_a_convolution_over_one_channel_is_found(converted, tmp_path):
    model, source, x = converted
    narrow = narrow_convolutions(source)
    assert [layer_of(model, scope) for scope in narrow] == ["first"]
    target = tmp_path / "int8.tflite"
    quantize_tflite(source, target, x, keep=narrow)
    found = dict(kinds(target))
    assert found[narrow[0]] == "float32"
    second = next(s for n, s in operators(source) if "second" in s)
    assert found[second] == "int8"


def test_a_layer_is_kept_in_float_by_name(converted, tmp_path):
    _, source, x = converted
    target = tmp_path / "int8.tflite"
    quantize_tflite(source, target, x, float_scopes=("logmel", "join"))
    joined = next(s for n, s in operators(source) if "join" in s)
    assert dict(kinds(target))[joined] == "float32"


def test_ranges_serve_every_later_call(converted, tmp_path):
    _, source, x = converted
    quantize_tflite(source, tmp_path / "a.tflite", x)
    ranges = find_ranges(source, x)
    quantize_tflite(source, tmp_path / "b.tflite", {}, ranges=ranges)
    one, two = (run_all(open_file(tmp_path / f"{n}.tflite"), x) for n in "ab")
    np.testing.assert_array_equal(one["label"], two["label"])


def test_a_loop_is_refused_by_full_int8_before_it_crashes(tmp_path):
    model = mixed_input_model(recurrent=True)
    source = tmp_path / "float.tflite"
    to_tflite(model, source)
    names = {scope: layer_path(model, scope) for _, scope in operators(source)}
    assert names[loop_of(source)] == "loop"
    file = ProducedFile("tflite", "float32", source, Notes(layers=names))
    message = "layer `loop`, which loops over its steps. Instead: `unroll=True`"
    with pytest.raises(ValueError, match=message):
        FORMATS["tflite"].quantize(
            file, "int8-full", ConversionContext(tmp_path)
        )

    # The other recipe takes it, and its errors can be read.
    x, target = mixed_inputs(8), tmp_path / "heavy.tflite"
    quantize_tflite(source, target, x)
    errors = layer_errors(source, target, x)
    by_layer = {layer_of(model, scope): db for scope, db in errors.items()}
    assert by_layer["second"] > 30 and by_layer["join"] > 20
    assert find_departure(model, source, x) is None


def candidates(**measured):
    """Recipes by name, from the drop and the latency of each."""
    return {
        name.replace("_", "-"): Candidate(1, latency, drop, drop <= 0.01)
        for name, (drop, latency) in measured.items()
    }


@pytest.mark.parametrize(
    "measured, chosen",
    [
        ({"int8_heavy": (0.0, 2), "int8_full": (0.0, 1)}, "int8-full"),
        ({"int8_heavy": (0.0, 1), "int8_full": (0.0, 2)}, "int8-heavy"),
        # Fast and wrong does not count.
        ({"int8_heavy": (0.005, 2), "int8_full": (0.3, 1)}, "int8-heavy"),
        # Nothing passes: what loses least.
        ({"int8_heavy": (0.2, 2), "int8_full": (0.1, 3)}, "int8-full"),
        ({"int8_heavy": (0.2, 1), "mixed": (0.0, 5)}, "mixed"),
    ],
)
def test_the_fastest_recipe_that_passes_is_chosen(measured, chosen):
    refused = {"refused": Candidate(refused="a loop")}
    assert best_of(candidates(**measured) | refused) == chosen


def hostile_spec():
    return DataSpec.from_dict({
        "name": "hostile",
        "modalities": {"x": {"kind": "vector",
                             "columns": [*"abcdefghijklmnop"]}},
        "targets": {"label": {"kind": "category", "column": "label",
                              "classes": ["a", "b", "c", "d"]}},
    })  # fmt: skip


@pytest.fixture
def first_step(hostile, tmp_path):
    """What the first step makes of the hostile model."""
    model, source, x, labels = hostile
    names = {scope: layer_path(model, scope) for _, scope in operators(source)}
    weights = {"label": np.ones(300, "float32")}
    outputs = model.predict(x, verbose=0)
    answers = work.save_arrays(tmp_path / "answers.npz", outputs)
    job = ExportJob(
        model=tmp_path / "run",
        spec=hostile_spec(),
        settings=Settings(max_drop=0.04),
        folder=tmp_path,
        calibration=x,
        samples={"choice": Samples(x, labels, weights)},
        test_split=0,
        worker=lambda request: work.TASKS[type(request)](request),
        report=lambda line: None,
    )
    return ConvertedModel(
        job,
        (ProducedFile("tflite", "float32", source, Notes(layers=names)),),
        {},
        {"choice": work.Answers({"all": answers})},
        work.save_arrays(tmp_path / "calibration.npz", x),
    )


def failing(*bad):
    def worker(request):
        if request.recipe in bad:
            raise ValueError("It crashed.\nBadly.")
        return ProducedFile("tflite", request.recipe, request.source.path)

    return worker


def with_worker(first_step, worker, report=str):
    job = dataclasses.replace(first_step.job, worker=worker, report=report)
    return dataclasses.replace(first_step, job=job)


def test_a_recipe_that_fails_is_left_out_if_another_does_not(first_step):
    said, form = [], FORMATS["tflite"]
    both = ["int8-heavy", "int8-full"]
    one = with_worker(first_step, failing("int8-full"), said.append)
    made = quantize_apart(one, form, both)
    assert made.refused == {"int8-full": "It crashed."}
    assert [file.recipe for file in made.files] == ["float32", "int8-heavy"]
    assert said == ["left out: int8-full: It crashed."]
    none = with_worker(first_step, failing(*both))
    with pytest.raises(ValueError, match="It crashed"):
        quantize_apart(none, form, both)
    with pytest.raises(ValueError, match="It crashed"):
        quantize_apart(none, form, ["int8-full"])


def test_steps_follow_each_other(first_step, capsys):
    """Neither recipe keeps the metric, so that the hostile layers are kept."""
    form = FORMATS["tflite"]
    made = quantize_apart(first_step, form, ["int8-heavy", "int8-full"])
    chosen = choose(made)
    said = capsys.readouterr().out
    assert said.count("step: converting") == said.count("step: opening") == 3
    assert list(chosen.candidates) == ["int8-heavy", "int8-full", "mixed"]
    assert [each.passes for each in chosen.candidates.values()] == [
        False, False, True,
    ]  # fmt: skip
    (file,) = chosen.files
    assert file.recipe == "mixed"
    assert set(file.notes.float_layers) == {"wild", "calm_2"}


def test_the_error_of_each_layer_is_told_by_its_name(first_step):
    form = FORMATS["tflite"]
    made = quantize_apart(first_step, form, ["int8-heavy"])
    source = made.float_of(form)
    errors = work.measure_layers(
        work.MeasureLayers(
            model=made.job.model,
            folder=made.job.folder,
            samples=made.calibration,
            source=source,
            file=made.of(form, "int8-heavy"),
        )
    )
    advice = advise(errors, source.notes.layers, ())
    assert set(advice.worth_floating) == {"wild", "calm_2"}
    assert advice.gain_db > 10
    rest = advise(errors, source.notes.layers, ("wild",))
    assert "wild" not in rest.worth_floating
    layers = errors_by_layer(errors, source.notes.layers)
    assert layers["wild"].own_db < layers["calm_0"].own_db
    assert layers["calm_0"].snr_db > 30

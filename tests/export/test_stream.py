"""A streamed tower gives, after its last step, the answer of the whole."""

import keras
import numpy as np
import pytest

from mmkeras import fusion, heads, towers
from mmkeras.checks import classifier, random_input
from mmkeras.export import step_length, step_model, streamed_towers

ONE_WAY = {"variant": "gru", "bidirectional": False}
KINDS = {
    "text": lambda **more: towers.text_tower(
        12, 24, units=8, variant="gru", bidirectional=False, **more
    ),
    "text, two layers": lambda: KINDS["text"](depth=2),
    "an LSTM of your own": lambda: lstm_tower(),
    "audio": lambda **more: towers.audio_tower(
        1600, 4000, units=8, mel_bands=8, width=8,
        **(more if "variant" in more else {**ONE_WAY, **more})
    ),
    "audio, wide frames": lambda: KINDS["audio"](frame_ms=100.0, repeats=2),
    "audio, no overlap": lambda: KINDS["audio"](frame_ms=23.0),
    "audio, LSTM": lambda: KINDS["audio"](**{**ONE_WAY, "variant": "lstm"}),
    "audio, cepstra": lambda: KINDS["audio"](features="mfcc", coefficients=8),
    "audio, WaveNet": lambda: KINDS["audio"](variant="wavenet", depth=2),
    "audio, WaveNet of samples": lambda: KINDS["audio"](
        variant="wavenet", features="samples", depth=3
    ),
    "series": lambda **more: towers.series_tower(
        24, 2, units=8, width=8,
        **(more if "variant" in more else {**ONE_WAY, **more})
    ),
    "series, LSTM": lambda: KINDS["series"](
        **{**ONE_WAY, "variant": "lstm"}, stride=1, depth=2
    ),
    "series, TCN": lambda: KINDS["series"](variant="tcn", depth=2, stride=2),
}  # fmt: skip


def lstm_tower():
    x = keras.Input((12,), dtype="int32", name="text")
    y = keras.layers.Embedding(24, 8)(x)
    y = keras.layers.LSTM(8, return_sequences=True, name="memory")(y)
    outputs = {
        "vector": keras.layers.GlobalAveragePooling1D()(y),
        "tokens": y,
        "mask": keras.ops.ones_like(y[:, :, 0]),
    }
    return keras.Model(x, outputs, name="text_tower")


def stirred(model):
    """The model with batch statistics that are not those of a new layer."""
    rng = np.random.default_rng(5)
    for weight in model.non_trainable_weights:
        if "moving" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def stream_through(step, name, x, count):
    """Feeds the steps of `x` in turn; returns the last answer."""
    state = {
        tensor.name: np.zeros((len(x[name]), *tensor.shape[1:]), "float32")
        for tensor in step.inputs
        if tensor.name.startswith("state_")
    }
    others = {key: value for key, value in x.items() if key != name}
    length = next(t.shape[1] for t in step.inputs if t.name == name)
    for i in range(count):
        part = x[name][:, i * length : (i + 1) * length]
        found = step({name: part, **others, **state})
        state = {key: np.asarray(found[key]) for key in state}
    return {key: np.asarray(found[key]) for key in found if key not in state}


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_step_answers_as_the_whole_sequence(kind):
    keras.utils.set_random_seed(1)
    tower = KINDS[kind]()
    name = tower.inputs[0].name
    x = keras.Input(
        tower.input_shape[1:], dtype=tower.inputs[0].dtype, name=name
    )
    y = keras.layers.Dense(3, "softmax", name="label")(tower(x)["vector"])
    model = stirred(keras.Model({name: x}, {"label": y}))
    sample = random_input(tower.inputs[0], 3, np.random.default_rng(0))
    if kind.startswith("text"):
        sample[0, 7:] = 0  # padding
    if kind.startswith("series"):
        sample *= 10
        sample[0, 5:14] = np.nan
    wanted = np.asarray(model({name: sample}, training=False)["label"])
    assert np.ptp(wanted, axis=0).max() > 1e-4

    step = step_model(model, name)
    count = tower.input_shape[1] // step_length(tower)
    found = stream_through(step, name, {name: sample}, count)
    np.testing.assert_allclose(found["label"], wanted, atol=1e-6)


def fused(method):
    """Text that streams, joined with a table."""
    inputs = {
        "table": keras.Input((3,), name="table"),
        "text": keras.Input((12,), dtype="int32", name="text"),
        "present": keras.Input((1,), name="present"),
    }
    features = {
        "table": towers.vector_tower(3, name="table", units=8)(inputs["table"]),
        "text": KINDS["text"]()(inputs["text"]),
    }
    y = method(features, present={"table": inputs["present"]})
    return keras.Model(
        inputs, {"label": keras.layers.Dense(3, "softmax", name="label")(y)}
    )


@pytest.mark.parametrize("method", [fusion.Concat, fusion.Gated])
def test_a_streamed_tower_under_a_fusion(method):
    model = fused(method(8))
    rng = np.random.default_rng(2)
    x = {
        "table": rng.normal(size=(2, 3)).astype("float32"),
        "text": rng.integers(1, 24, (2, 12)).astype("int32"),
        "present": np.array([[1], [0]], "float32"),
    }
    wanted = np.asarray(model(x)["label"])
    found = stream_through(step_model(model, "text"), "text", x, 12)
    np.testing.assert_allclose(found["label"], wanted, atol=1e-6)
    assert streamed_towers(model) == {"text": None}


def transcribed(kinds, read=None, **options):
    """Towers under the head of a transcript, 4 frames a token."""
    made = {kind.partition(",")[0]: KINDS[kind]() for kind in kinds}
    inputs = {
        name: keras.Input(
            tower.input_shape[1:], dtype=tower.inputs[0].dtype, name=name
        )
        for name, tower in made.items()
    }
    features = {name: tower(inputs[name]) for name, tower in made.items()}
    fused = fusion.Concat(8)(features)
    steps = 4 * next(iter(features.values()))["tokens"].shape[1]
    head = heads.Transcript(
        symbols=3, steps=steps, modality=read or tuple(made), units=8, **options
    )
    model = keras.Model(inputs, {"said": head(fused, "said", features)})
    return stirred(model)


@pytest.mark.parametrize("kind", ["audio", "series, TCN"])
@pytest.mark.parametrize("options", [{}, {"memory": 6}])
def test_the_frames_of_all_steps_are_those_of_the_whole(kind, options):
    keras.utils.set_random_seed(1)
    model = transcribed([kind], **options)
    (tensor,) = model.inputs
    name, rng = tensor.name, np.random.default_rng(0)
    x = rng.normal(size=(2, *tensor.shape[1:])).astype("float32")
    wanted = np.asarray(model({name: x}, training=False)["said"])
    assert np.ptp(wanted, axis=1).max() > 1e-3

    step = step_model(model, name)
    assert step.output["said"].shape[1:] == (4, 4)
    length = step_length(model.get_layer(f"{name}_tower"))
    states = {
        t.name: np.zeros((2, *t.shape[1:]), "float32")
        for t in step.inputs
        if t.name.startswith("state_")
    }
    frames = []
    for at in range(0, x.shape[1] - length + 1, length):
        found = step({name: x[:, at : at + length], **states})
        states = {key: np.asarray(found[key]) for key in states}
        frames.append(np.asarray(found["said"]))
    np.testing.assert_allclose(np.concatenate(frames, 1), wanted, atol=1e-5)


def test_steps_of_another_modality_that_is_there_as_a_whole_are_refused():
    model = transcribed(["series, TCN", "text"])
    with pytest.raises(ValueError, match="`said_joined`, which adds 48 steps"):
        step_model(model, "series")


def test_a_text_streams_beside_a_modality_that_only_the_fusion_reads():
    model = transcribed(["series, TCN", "text"], read="series")
    assert step_model(model, "series").output["said"].shape[1:] == (4, 4)


REFUSED = {
    "two directions": (
        lambda: towers.text_tower(8, 24, units=8, variant="gru"),
        "`text_gru_0` (Bidirectional)",
    ),
    "phrases see ahead": (
        lambda: KINDS["text"](phrase=3), "`text_phrases` (Conv1D)"),
    "a series in two directions": (
        lambda: KINDS["series"](bidirectional=True),
        "`series_gru_0` (Bidirectional)",
    ),
    "frames join the batch": (
        lambda: towers.video_tower(
            4, 8, 8, 1, units=8, bidirectional=False,
            frame_tower={"filters": 4, "depth": 1},
        ),
        "`video_each_frame` (Regroup)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_looks_ahead_is_refused_by_name(case):
    make, name = REFUSED[case]
    model = classifier(make())
    modality = model.inputs[0].name
    with pytest.raises(ValueError, match="must look back only") as error:
        step_model(model, modality)
    assert name in str(error.value)
    assert name in streamed_towers(model)[modality]


def test_a_step_is_what_makes_a_token():
    assert step_length(KINDS["series"](stride=6)) == 6
    # The mask is pooled beside the positions, and does not count.
    assert step_length(KINDS["series"](variant="tcn", stride=2)) == 2
    assert step_length(KINDS["audio"]()) == 2 * 92


def test_a_tower_without_a_memory_has_no_stream():
    tower = towers.series_tower(24, 2, units=8, width=8)
    assert streamed_towers(classifier(tower)) == {}


def test_a_fusion_of_tokens_is_refused():
    with pytest.raises(ValueError, match="CrossAttention"):
        step_model(fused(fusion.CrossAttention(8)), "text")


def test_an_unknown_modality_is_refused():
    with pytest.raises(ValueError, match="Choices: present, table, text"):
        step_model(fused(fusion.Gated(8)), "sound")

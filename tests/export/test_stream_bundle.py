"""A streamed tower from Keras to the runner: one file, two signatures."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from export.export_toys import runner, write_run, write_tokenizer

from mmkeras import artefact, fusion, towers
from mmkeras.export import export
from mmkeras.spec import DataSpec

SPEC = {
    "name": "toy",
    "modalities": {
        "text": {"kind": "text", "column": "text", "max_tokens": 12,
                 "vocabulary_size": 20},
        "table": {"kind": "vector", "columns": ["a", "b"], "optional": True},
    },
    "targets": {"digit": {"kind": "category", "column": "digit",
                          "classes": ["zero", "one", "two"]}},
}  # fmt: skip


def model():
    keras.utils.set_random_seed(3)
    inputs = {
        "text": keras.Input((12,), dtype="int32", name="text"),
        "table": keras.Input((2,), name="table"),
        "present": keras.Input((1,), name="present"),
    }
    text = towers.text_tower(
        12, 20, units=32, variant="gru", bidirectional=False
    )
    table = towers.vector_tower(2, name="table", units=32)
    fused = fusion.Gated(32)(
        {"text": text(inputs["text"]), "table": table(inputs["table"])},
        present={"table": inputs["present"]},
    )
    y = keras.layers.Dense(3, "softmax", name="digit")(fused)
    return keras.Model(inputs, {"digit": y})


def batches(network, count):
    rng = np.random.default_rng(count)
    x = {
        "text": rng.integers(1, 20, (count, 12)).astype("int32"),
        "table": rng.normal(size=(count, 2)).astype("float32"),
        "present": np.ones((count, 1), "float32"),
    }
    y = network.predict(x, verbose=0)["digit"].argmax(1).astype("int32")
    return [(x, {"digit": y}, {"digit": np.ones(count, "float32")})]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    network = model()
    write_tokenizer(folder / "tokenizer_text.json")
    data = SimpleNamespace(
        train=batches(network, 48), test=batches(network, 64),
        counts={"train": 48, "test": 64},
        tokenizer_path=lambda name: folder / f"tokenizer_{name}.json",
    )  # fmt: skip
    lines = []
    card = export(
        write_run(folder / "run", network), DataSpec.from_dict(SPEC), data,
        folder / "bundle", max_drop=0.2, report=lines.append,
    )  # fmt: skip
    return SimpleNamespace(
        bundle=folder / "bundle", card=card, data=data, lines=lines
    )


def test_the_card_compares_the_stream_with_the_whole(done):
    entry = done.card.streams["text"]
    assert entry.step == 1 and entry.samples == 32
    assert entry.largest_difference < 1e-5
    assert entry.shipped_difference < 0.05
    assert "stream text: 1 a step" in "\n".join(done.lines)


def test_the_manifest_tells_the_device(done):
    manifest = artefact.read_manifest(done.bundle, "bundle")
    assert manifest["streams"] == {
        "text": {"signature": "stream_text", "step": 1}
    }


def test_the_runner_reads_token_by_token(done):
    device = runner().Runner(done.bundle)
    x = done.data.test[0][0]
    for i in range(5):
        row = {"text": x["text"][i], "table": x["table"][i]}
        whole = device.predict(row)["digit"]
        step = device.stream("text", {"table": x["table"][i]})
        for token in x["text"][i]:
            found = step(np.array([token], "int32"))["digit"]
        np.testing.assert_allclose(found, whole, atol=0.05)
    # A second stream starts from nothing, with the other modality absent.
    step = device.stream("text")
    assert step(np.array([3], "int32"))["digit"].shape == (3,)


@pytest.mark.parametrize(
    ("name", "part", "message"),
    [
        ("table", None, "a streamed modality .'text'."),
        ("text", np.zeros(2, "int32"), "int32 of shape .1."),
        ("text", np.array([99], "int32"), "token ids below"),
    ],
)
def test_a_wrong_step_is_refused(done, name, part, message):
    device = runner().Runner(done.bundle)
    with pytest.raises(ValueError, match=message):
        device.stream(name)(part)

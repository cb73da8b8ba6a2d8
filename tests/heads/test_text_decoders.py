"""Every decoder of texts: alone, and as a file."""

import itertools

import keras
import numpy as np
import pytest

from mmkeras import training
from mmkeras.export import open_file, to_tflite
from mmkeras.generation import (
    GREEDY,
    HALF,
    Sampling,
    code_of,
    decoder_of,
    generate,
    log_softmax,
    unpack,
)
from mmkeras.heads import WrittenText

WORDS = [" a", " dog", " runs", ".", "a"]
LENGTH = 5
KINDS = ["prefix", "cross_attention", "gpt2", "bart"]
# As those, by other classes of keras_hub.
SLOW = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("llama", "mistral", "qwen3", "gemma")
]


@pytest.fixture(scope="module", params=[*KINDS, *SLOW])
def model(request):
    keras.utils.set_random_seed(1)
    head = WrittenText(
        WORDS, LENGTH, references=2, text_size=9, units=16, heads=2, depth=2,
        dropout=0.0, prompt="asked", decoder=request.param,
    )  # fmt: skip
    fused = keras.Input((6,), name="fused")
    inputs = {"fused": fused}
    features = {}
    for name, size in (("seen", 4), ("asked", 3)):
        tokens = keras.Input((size, 8), name=f"{name}_tokens")
        mask = keras.Input((size,), name=f"{name}_mask")
        inputs |= {tokens.name: tokens, mask.name: mask}
        features[name] = {"tokens": tokens, "mask": mask}
    model = keras.Model(inputs, {"note": head(fused, "note", features)})
    model.head = head
    return model


def inputs_of(model, rows=3):
    draw = np.random.default_rng(0)
    x = {
        name: draw.normal(size=(rows, *tensor.shape[1:])).astype("float32")
        for name, tensor in model.input.items()
    }
    x["seen_mask"] = np.array([[1, 1, 0, 0]] * rows, "float32")
    x["asked_mask"] = np.array([[1, 1, 1]] * (rows - 1) + [[0, 0, 0]], "f4")
    return x


def labels_of(*texts):
    """Labels of two references; the code points before the words are none."""
    rows = []
    for text in texts:
        one = [*map(code_of, text), *[0] * (LENGTH - len(text))]
        both = [divmod(code, HALF) for code in one + one[::-1]]
        rows.append([*[65] * 18, *(a for a, _ in both), *(b for _, b in both)])
    return np.array(rows, "int32")


def test_one_at_a_time_is_as_likely_as_all_at_once(model):
    layer, memory = model.get_layer("note"), model(inputs_of(model))["note"]
    labels = labels_of([" a", "."], [" dog"] * 4, [" never", "a"])
    likely, ids = map(np.asarray, layer.log_probabilities(memory, labels))
    assert ids[:, :LENGTH].tolist() == [
        [3, 6, 0, 0, 0], [4, 4, 4, 4, 0], [2, 7, 0, 0, 0],
    ]  # fmt: skip
    decoder = layer.decoder()
    caches = unpack(np.asarray(memory), decoder)
    before = np.array([1, 1, 1])
    for at in range(LENGTH):
        found = log_softmax(caches.run(decoder.step, before, at))
        np.testing.assert_allclose(found, likely[:, at], atol=2e-5)
        before = ids[:, at]


def test_references_do_not_see_each_other(model):
    layer, memory = model.get_layer("note"), model(inputs_of(model))["note"]
    one = labels_of(*[[" a", " dog", "."]] * 3)
    other = np.array(one)
    for start in (18 + LENGTH, 18 + 3 * LENGTH):
        other[:, start : start + LENGTH] = other[:, start - LENGTH : start]
    found = [np.asarray(layer.log_probabilities(memory, each)[0])
             for each in (one, other)]  # fmt: skip
    np.testing.assert_allclose(*(f[:, :LENGTH] for f in found), atol=1e-6)
    assert np.abs(found[0] - found[1])[:, LENGTH + 1 :].max() > 1e-3


def test_what_is_hidden_does_not_count_and_the_rest_does(model):
    x = inputs_of(model)
    layer, labels = model.get_layer("note"), labels_of(*[[" a"]] * 3)

    def likely():
        return np.asarray(layer.log_probabilities(model(x)["note"], labels)[0])

    before = likely()
    x["seen_tokens"][:, 2:] += 9
    x["asked_tokens"][-1] -= 7
    np.testing.assert_allclose(likely(), before, atol=1e-6)
    for name in ("fused", "seen_tokens", "asked_tokens"):
        x = inputs_of(model)
        x[name] = x[name] + 3
        assert np.abs(likely() - before).max() > 1e-4, name


@pytest.mark.parametrize("model", ["cross_attention", "gpt2"], indirect=True)
def test_words_are_learned_and_written_again(model):
    x = inputs_of(model, 2)
    x["asked_mask"][:] = 1
    labels = labels_of([" a", " dog", " runs", "."], ["a", "."])
    weights = np.zeros(labels.shape, "float32")
    weights[:, 18 : 18 + LENGTH] = labels[:, 18 : 18 + LENGTH] > 0
    weights[0, 18 + 4] = weights[1, 18 + 2] = 1
    layer, head = model.get_layer("note"), model.head
    kept = model.get_weights()
    model.compile(
        keras.optimizers.Adam(0.01),
        {"note": head.loss(layer)},
        weighted_metrics={"note": head.metrics(layer)},
        jit_compile=False,
    )
    for _ in range(50):
        logs = model.train_on_batch(
            x, {"note": labels}, {"note": weights}, return_dict=True
        )
    found = layer.finish_outputs(model.predict_on_batch(x)["note"], labels)
    model.set_weights(kept)
    texts = ["".join(map(chr, row[row > 0].astype(int))) for row in found[:, 0]]
    assert texts == [" a dog runs.", "a."]
    accuracy = [v for k, v in logs.items() if k.endswith("letter_accuracy")]
    assert accuracy == [1.0]


SETTINGS = [
    GREEDY,
    Sampling(temperature=2.0, seed=5),
    Sampling(temperature=2.0, top_k=3, top_p=0.9, seed=7),
    Sampling(beams=3),
    Sampling(beams=2, length_penalty=0.0, max_characters=3),
    Sampling(temperature=3.0, stop=(" dog",), seed=1),
]


def test_the_file_writes_what_keras_does(model, file):
    run, step, details = file
    layer, x = model.get_layer("note"), inputs_of(model)
    memory = model.predict_on_batch(x)["note"]
    writer, texts = decoder_of(step, details, WORDS), set()
    for row, settings in itertools.product(range(3), SETTINGS):
        one = {name: value[row : row + 1] for name, value in x.items()}
        found = run(one)["note"]
        np.testing.assert_allclose(found, memory[row : row + 1], atol=1e-4)
        ids, chances = generate(found, writer, settings)
        wanted = generate(memory[row : row + 1], layer.decoder(), settings)
        np.testing.assert_array_equal(ids, wanted[0])
        np.testing.assert_allclose(chances, wanted[1], atol=1e-3)
        texts.add(writer.text_of(ids[0]))
    assert len(texts) > 3


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    """The model as a file of two signatures."""
    from ai_edge_litert.interpreter import Interpreter

    path = tmp_path_factory.mktemp("file") / "model.tflite"
    step = model.get_layer("note").step_model()
    to_tflite(model, path, others={"decode": step})
    found = Interpreter(str(path)).get_signature_runner("decode")
    return (
        open_file(path),
        lambda inputs: found(**inputs),
        found.get_input_details(),
    )


def test_it_saves_itself(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    x = inputs_of(model)
    one, two = (each.predict_on_batch(x)["note"] for each in (model, again))
    np.testing.assert_array_equal(one, two)
    labels = labels_of(*[[" a", " dog"]] * 3)
    found = [
        np.asarray(each.get_layer("note").log_probabilities(one, labels)[0])
        for each in (model, again)
    ]
    np.testing.assert_allclose(*found, atol=1e-6)


def test_a_preset_lends_its_weights_and_the_task_its_words(tmp_path):
    from keras_hub import models

    keras.utils.set_random_seed(2)
    known = {"a": 0, "d": 1, "o": 2, "g": 3, "\u0120": 4, "\u0120a": 5,
             "r": 6, "u": 7, "n": 8, "s": 9, ".": 10,
             "<|endoftext|>": 11}  # fmt: skip
    tokenizer = models.GPT2Tokenizer(vocabulary=known, merges=["\u0120 a"])
    theirs = models.GPT2Backbone(
        vocabulary_size=12, num_layers=1, num_heads=2, hidden_dim=8,
        intermediate_dim=16, max_sequence_length=30,
    )  # fmt: skip
    theirs.save_to_preset(str(tmp_path / "tiny"))
    tokenizer.save_to_preset(str(tmp_path / "tiny"))
    head = WrittenText(
        WORDS, LENGTH, text_size=9, decoder="gpt2",
        pretrained=str(tmp_path / "tiny"),
    )  # fmt: skip
    fused = keras.Input((6,))
    model = keras.Model(fused, {"note": head(fused, "note", {})})
    own = model.get_layer("note").backbone
    rows, table = (
        np.asarray(each.token_embedding.embeddings) for each in (own, theirs)
    )
    assert rows.shape == (8, 8)
    np.testing.assert_allclose(rows[3], table[5], atol=1e-6)  # " a"
    np.testing.assert_allclose(
        rows[4],
        table[[4, 1, 2, 3]].mean(axis=0),
        atol=1e-6,  # " dog"
    )
    np.testing.assert_allclose(rows[0], table[11], atol=1e-6)  # the end
    for mine, other in zip(own.weights[2:], theirs.weights[2:], strict=True):
        np.testing.assert_array_equal(mine, other)
    with pytest.raises(ValueError, match="`pretrained` must be a preset"):
        WrittenText(WORDS, LENGTH, decoder="gpt2", pretrained="/nowhere")(
            fused, "note", {}
        )
    with pytest.raises(ValueError, match="as many tokens as the prefix"):
        WrittenText(
            WORDS, 40, decoder="gpt2", pretrained=str(tmp_path / "tiny")
        )(fused, "note", {})


def test_low_rank_changes_and_the_projector_are_trained_alone():
    head = WrittenText(
        WORDS, LENGTH, text_size=9, units=8, heads=2, depth=1, decoder="gpt2",
        frozen=True,
    )  # fmt: skip
    fused, tokens = keras.Input((6,)), keras.Input((2, 4))
    mask = keras.Input((2,))
    seen = {"seen": {"tokens": tokens, "mask": mask}}
    model = keras.Model(
        [fused, tokens, mask], {"note": head(fused, "note", seen)}
    )
    changed = training.add_lora(
        model, 2, ["note/backbone/*/query", "note/backbone/*/value"]
    )
    assert len(changed) == 2
    names = {w.path.split("/")[-1] for w in model.trainable_weights}
    factors = {"lora_kernel_a", "lora_kernel_b"}
    # Of the changed layers the bias; kernel and bias of the projector.
    assert names == {*factors, "bias", "kernel", "nothing"}
    assert len(model.trainable_weights) == 2 * 3 + 2 * 2 + 1
    layer = model.get_layer("note")
    # Whatever has a gradient moves, however small it is.
    adam = keras.optimizers.Adam(0.1, epsilon=1e-12)
    model.compile(adam, {"note": head.loss(layer)}, jit_compile=False)
    before = [np.asarray(w) for w in model.trainable_weights]
    labels = labels_of([" a", "."])[:, [*range(9), *range(18, 23),
                                        *range(28, 33)]]  # fmt: skip
    x = [np.ones((1, *shape), "float32") for shape in ((6,), (2, 4), (2,))]
    x[2][0, 1] = 0
    for _ in range(3):  # the second factor starts at zero
        model.train_on_batch(x, {"note": labels})
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.abs(np.asarray(weight) - old).max() > 0, weight.path
    memory = model(x)["note"]
    plain = training.merge_lora(model)
    np.testing.assert_allclose(plain(x)["note"], memory, atol=1e-6)


def test_a_language_model_says_what_it_does_not_take():
    with pytest.raises(ValueError, match="`pretrained` and `frozen` go with"):
        WrittenText("ab", 3, pretrained="gpt2_base_en")
    with pytest.raises(ValueError, match="`reads` of `note` must be modal"):
        WrittenText("ab", 3, reads=("sound",))(
            keras.Input((6,)), "note", {"image": {}}
        )

"""`load_model` takes what Keras saves, and makes no more than is stored."""

import json
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
from keras import layers, ops

from mmkeras.model import bounded_weights, check_config, load_model


def sequence(shape, *parts, dtype="float32"):
    return keras.Sequential([keras.Input(shape, dtype=dtype), *parts])


def quantized(kind):
    model = sequence((8,), layers.Dense(16), layers.Dense(2))
    for layer in model.layers:
        layer.quantize(kind)
    return model


def attention():
    x = keras.Input((5, 8))
    return keras.Model(x, layers.MultiHeadAttention(2, 4)(x, x))


def operators():
    x = keras.Input((8,))
    y = ops.matmul(ops.expand_dims(x, 2), ops.expand_dims(x, 1))
    y = ops.concatenate([x, y[:, 0]], axis=-1) * np.arange(16, dtype="float32")
    return keras.Model(x, ops.where(y > 0, y, ops.zeros_like(y)))


def compiled_inside():
    """A model whose inner model was trained before."""
    inner = sequence((8,), layers.Dense(4, kernel_regularizer="l2"))
    inner.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(0.1, 10)),
        keras.losses.Huber(),
        metrics=[keras.metrics.AUC()],
    )
    inner.optimizer.build(inner.trainable_variables)
    x = keras.Input((8,))
    model = keras.Model(x, layers.Dense(1)(inner(x)))
    model.compile("adam", "mse", metrics=["mae"])
    return model


def adapted():
    layer = layers.Normalization()
    layer.adapt(np.arange(80.0).reshape(10, 8))
    return sequence((8,), layer, layers.BatchNormalization())


def low_rank():
    model = sequence((8,), layers.Dense(8))
    model.layers[0].enable_lora(2)
    return model


MODELS = {
    "attention": attention,
    "operators": operators,
    "compiled inside": compiled_inside,
    "normalization": adapted,
    "low rank": low_rank,
    "int8": lambda: quantized("int8"),
    "int4": lambda: quantized("int4"),
    "bfloat16": lambda: sequence((8,), layers.Dense(4, dtype="bfloat16")),
    "mixed": lambda: sequence((8,), layers.Dense(4, dtype="mixed_float16")),
    "recurrent": lambda: sequence(
        (5, 3),
        layers.Bidirectional(layers.GRU(4, return_sequences=True)),
        layers.TimeDistributed(layers.Dense(2)),
        layers.LSTM(3, dropout=0.1),
    ),
    "embedding": lambda: sequence(
        (5,),
        layers.Embedding(10, 4, mask_zero=True),
        layers.GlobalAveragePooling1D(),
        dtype="int32",
    ),
    "image": lambda: sequence(
        (8, 8, 1),
        layers.Rescaling(1 / 255),
        layers.RandomFlip(),
        layers.SeparableConv2D(4, 3, depthwise_constraint="max_norm"),
        layers.Conv2DTranspose(3, 3, activation="gelu"),
    ),
    "spectrogram": lambda: sequence(
        (800, 1),
        layers.STFTSpectrogram(frame_length=64, frame_step=32, fft_length=64),
    ),
}


@pytest.mark.filterwarnings("ignore:Layer InputLayer")
@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_keras_layers_loads(tmp_path, name):
    """With the same weights as by Keras' own function."""
    path = tmp_path / "model.keras"
    MODELS[name]().save(path)
    again = load_model(path)
    model = keras.saving.load_model(path, compile=False)
    assert len(again.weights) == len(model.weights)
    for found, wanted in zip(again.weights, model.weights, strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(
            ops.convert_to_numpy(found), ops.convert_to_numpy(wanted)
        )


def test_the_bound_counts_all_weights_of_this_thread_alone():
    done = []

    def elsewhere():
        layers.Dense(100).build((None, 100))
        done.append(True)

    before = keras.Variable.__init__
    with bounded_weights(50):
        layers.Dense(4).build((None, 10))
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        with pytest.raises(ValueError, match=r"shape \(10, 1\), and stores"):
            layers.Dense(1).build((None, 10))
    assert done == [True]
    assert keras.Variable.__init__ is before
    layers.Dense(100).build((None, 100))


# Where keras_hub has each class, and what registers it.
VIT = "keras_hub.src.models.vit"
BERT = "keras_hub.src.models.bert"


@pytest.mark.parametrize(
    "module, name, registered",
    [
        (f"{VIT}.vit_layers", "ViTEncoder", "ViTEncoder"),
        (f"{VIT}.vit_backbone", "ViTBackbone", "keras_hub>ViTBackbone"),
    ],
)
def test_what_computes_in_keras_hub_is_known(module, name, registered):
    entry = dict(module=module, class_name=name, registered_name=registered)
    check_config(json.dumps({"layers": [entry]}).encode())


@pytest.mark.parametrize(
    "module, name, registered",
    [
        (f"{BERT}.bert_tokenizer", "BertTokenizer", "keras_hub>BertTokenizer"),
        (f"{VIT}.vit_image_converter", "ViTImageConverter", None),
        (f"{BERT}.bert_masked_lm", "BertMaskedLM", None),
        # Keras takes what is registered, whatever the module says.
        (f"{VIT}.vit_layers", "ViTEncoder", "keras_hub>BertTokenizer"),
        ("keras.layers", "Dense", "keras_hub>BertTokenizer"),
        ("keras_hub.src.utils.preset_utils", "PresetLoader", None),
        (f"{VIT}.nowhere", "ViTEncoder", None),
        (f"{VIT}.vit_layers", "ops", None),
    ],
)
def test_what_reads_files_in_keras_hub_is_refused(module, name, registered):
    import keras_hub  # noqa: F401

    entry = dict(module=module, class_name=name, registered_name=registered)
    with pytest.raises(ValueError, match="none of the layers and backbones"):
        check_config(json.dumps({"layers": [entry]}).encode())


def test_a_function_of_keras_hub_that_fetches_is_refused():
    import keras_hub  # noqa: F401

    def config(name):
        entry = dict(class_name="function", module="builtins", config=name)
        return json.dumps({"activation": entry}).encode()

    check_config(config("keras_hub>gelu_approximate"))
    with pytest.raises(ValueError, match="'keras_hub>upload_preset'"):
        check_config(config("keras_hub>upload_preset"))


@pytest.mark.slow
def test_a_tower_of_keras_hub_loads_where_nobody_imported_it(tmp_path):
    from mmkeras.towers import image_tower

    tower = image_tower(8, 8, 1, variant="vit", filters=2, depth=1, heads=2)
    path = tmp_path / "tower.keras"
    tower.save(path)
    code = (
        "import sys; from mmkeras.model import load_model;"
        "print('keras_hub' in sys.modules);"
        f"print(load_model({str(path)!r}).count_params())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["False", str(tower.count_params())]

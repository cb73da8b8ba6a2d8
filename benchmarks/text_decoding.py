"""What a letter costs with a cache, and what if all were computed again.

    python benchmarks/text_decoding.py RUN

Times, on one thread and in turn: the decoder's step of the float file; and a
file without a cache, that computes towers, prefix and all letters anew.
"""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np

from mmkeras import load_model
from mmkeras.export import latencies_ms, open_file, to_tflite


class AllLetters(keras.layers.Layer):
    """Logits of all letters at once, by a decoder."""

    def __init__(self, decoder, **kwargs):
        super().__init__(**kwargs)
        self.decoder = decoder

    def call(self, memory, codes):
        return self.decoder.log_probabilities(memory, codes)[0]


def whole_model(model: keras.Model, target: str) -> keras.Model:
    """Returns the model without a cache: from modalities and letters."""
    layer = model.get_layer(target)
    if layer.text_size:
        # Words are looked up in training alone: here ids are given.
        object.__setattr__(layer, "ids_of", lambda ids: ids)
    letters = keras.Input(
        (layer.references * layer.length,), dtype="int32", name="codes"
    )
    found = AllLetters(layer, name="all_letters")(model.output[target], letters)
    return keras.Model({**model.input, "codes": letters}, {target: found})


def inputs_of(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns one sample of ones, by input."""
    return {
        tensor.name: np.ones((1, *tensor.shape[1:]), tensor.dtype)
        for tensor in model.inputs
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    model = load_model(parser.parse_args().run)
    for target in model.output:
        layer = model.get_layer(target)
        if not hasattr(layer, "step_model"):
            continue
        step, whole = layer.step_model(), whole_model(model, target)
        with tempfile.TemporaryDirectory() as folder:
            times = {}
            for name, each in (("step", step), ("whole", whole)):
                path = Path(folder) / f"{name}.tflite"
                to_tflite(each, path)
                run, x = open_file(path), inputs_of(each)
                times[name] = lambda _, run=run, x=x: run(x)
            found = latencies_ms(times, inputs_of(model))
        share = found["step"] / found["whole"]
        print(
            f"{target}: {found['step']:.3f} ms a token with a cache, "
            f"{found['whole']:.3f} ms without: {share:.3f} of it"
        )


if __name__ == "__main__":
    main()

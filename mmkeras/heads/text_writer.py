"""What every decoder of texts has, whatever it is made of."""

import keras
import numpy as np
from keras import layers, ops

from mmkeras.arguments import check_positive
from mmkeras.generation import (
    FIRST,
    GREEDY,
    HALF,
    KEY,
    START,
    UNKNOWN,
    VALUE,
    Decoder,
    answers_of,
    code_of,
    generate,
)
from mmkeras.heads.text_blocks import Step


class TextWriter(layers.Layer):
    """Base of the layers whose output a text follows from.

    A subclass returns keys and values from `call`, and reads letters by
    `log_probabilities` in training, by `step` one at a time; its `build` says
    `prefix`, `caches` and `cache_shape`.

    Args:
        letters: What is written: characters, or a list of words.
        length: Tokens of the longest text, its end among them.
        references: Texts of a label, one after the other.
        text_size: Code points of each text that stand before the words in a
            label; 0 where the code points themselves are written.
    """

    def __init__(self, letters, length, references, text_size, **kwargs):
        check_positive(length=length, references=references)
        super().__init__(**kwargs)
        self.letters = letters
        self.length = length
        self.references = references
        self.text_size = text_size

    @property
    def size(self):
        """Tokens that there are."""
        return FIRST + len(self.letters)

    def ids_of(self, labels):
        """Returns the ids of a label's tokens; 0 is the end.

        Args:
            labels: `(batch, references * length)` code points; or the code
                points of all texts, `references * text_size`, and the two
                halves of the number of each word, one half after the other.
        """
        codes = ops.cast(labels, "int32")
        if not self.text_size:
            return self._ids_of_characters(codes)
        codes = codes[:, self.references * self.text_size :]
        high, low = ops.split(codes, 2, axis=1)
        codes = high * HALF + low
        known = np.array([code_of(word) for word in self.letters], "int32")
        order = np.argsort(known).astype("int32")
        places = ops.searchsorted(known[order], ops.reshape(codes, (-1,)))
        places = ops.minimum(ops.cast(places, "int32"), len(known) - 1)
        places = ops.reshape(places, ops.shape(codes))
        there = ops.equal(ops.take(known[order], places), codes)
        ids = ops.where(there, FIRST + ops.take(order, places), UNKNOWN)
        return ops.where(ops.equal(codes, 0), 0, ids)

    def _ids_of_characters(self, codes):
        known = np.array([*map(ord, self.letters)], "int32")
        # Each is one of them, or none.
        same = ops.cast(ops.equal(codes[..., None], known), "int32")
        places = np.arange(FIRST - UNKNOWN, FIRST - UNKNOWN + len(known))
        ids = UNKNOWN + ops.sum(same * places.astype("int32"), axis=-1)
        return ops.where(ops.equal(codes, 0), 0, ids)

    def before(self, ids):
        """Returns what is read to write these ids: each one place later."""
        split = ops.reshape(ids, (-1, self.references, self.length))
        start = ops.full_like(split[:, :, :1], START)
        read = ops.concatenate([start, split[:, :, :-1]], axis=-1)
        return ops.reshape(read, (-1, self.references * self.length))

    def at_labels(self, values):
        """Returns a value for each of a label, 0 for what is not learned.

        Args:
            values: `(batch, references * length)`.
        """
        values = ops.cast(values, "float32")
        if not self.text_size:
            return values
        texts = self.references * self.text_size
        return ops.pad(values, ((0, 0), (texts, values.shape[1])))

    def log_probabilities(self, memory, labels):
        """Returns log-probabilities of the next token, where each is known.

        Args:
            memory: What the layer returned.
            labels: As in a batch.

        Returns:
            `(batch, references * length, tokens)`, and the ids of the labels.
        """
        raise NotImplementedError

    def step(self, tokens, input_pos, mask, caches):
        """Reads one more token.

        Args:
            tokens: `(batch, 1)` ids.
            input_pos: `(batch,)`, its place in the text.
            mask: `(batch, 1, 1, places)`, added to the scores of the caches.
            caches: Key and value of each block, `(batch, places, heads, d)`.

        Returns:
            Logits `(batch, 1, tokens)`, and the new keys and values,
            `(batch, 1, heads, d)`.
        """
        raise NotImplementedError

    def step_model(self):
        """Returns `step` as a model, whose inputs have LiteRT-LM's names."""
        places = self.prefix + self.length
        shape = (places, *self.cache_shape)
        inputs = {
            "tokens": keras.Input((1,), dtype="int32", name="tokens"),
            "input_pos": keras.Input((), dtype="int32", name="input_pos"),
            "mask": keras.Input((1, 1, places), name="mask"),
        }
        for i in range(self.caches):
            for name in (f"{KEY}{i}", f"{VALUE}{i}"):
                inputs[name] = keras.Input(shape, name=name)
        outputs = Step(self, name=f"{self.name}_step")(inputs)
        return keras.Model(inputs, outputs, name=f"{self.name}_decoder")

    def decoder(self):
        """Returns what a text is written with."""
        if not hasattr(self, "_writer"):
            model = self.step_model()
            model.compile(jit_compile=False)
            # Past Keras, to which it would be a part of this layer.
            object.__setattr__(self, "_writer", model)
        return Decoder(
            self._writer.predict_on_batch,
            self.letters,
            self.prefix + self.length,
            self.caches,
            self.cache_shape[0],
        )

    def finish_outputs(self, outputs, labels=None):
        """Returns what is evaluated: the texts that are written.

        Args:
            outputs: What the layer returned.
            labels: As in a batch, for their probabilities; None where there
                are none.
        """
        decoder = self.decoder()
        ids, chances = generate(np.asarray(outputs), decoder, GREEDY)
        if labels is None:
            return answers_of(ids, chances, self.letters)
        likely, true = self.log_probabilities(outputs, labels)
        true = ops.expand_dims(true, -1)
        true = ops.take_along_axis(likely, true, axis=-1)[..., 0]
        true = ops.convert_to_numpy(true)
        return answers_of(ids, chances, self.letters, true, self.references)

    def get_config(self):
        return {
            **super().get_config(),
            "letters": self.letters,
            "length": self.length,
            "references": self.references,
            "text_size": self.text_size,
        }

"""Language models of keras_hub that write a text behind what was read."""

from types import SimpleNamespace

import keras
from keras import layers, ops

from mmkeras import keras_private as private
from mmkeras.generation import HIDDEN, KEY, VALUE
from mmkeras.heads.text_models import View, language_model
from mmkeras.heads.text_writer import TextWriter


class HubWriter(TextWriter):
    """Base of the language models of keras_hub.

    A dense layer each, the projector, makes what was read as wide as the
    language model.

    Args:
        letters: What is written: characters, or a list of words.
        length: Tokens of the longest text, its end among them.
        references: Texts of a label, one after the other.
        text_size: Code points of each text before its words in a label.
        variant: A key of `HUB`.
        config: Arguments of the backbone's class.
        frozen: Whether the language model keeps its weights, so that the
            projector alone is trained, and what `add_lora` adds.

    Call arguments and output are those of `TextDecoder`.
    """

    def __init__(
        self,
        letters,
        length,
        references,
        text_size,
        variant,
        config,
        frozen=False,
        **kwargs,
    ):
        super().__init__(letters, length, references, text_size, **kwargs)
        if keras.backend.backend() == "tensorflow":
            private.learn_through_caches()
        self.variant = variant
        self.config = dict(config)
        self.frozen = frozen
        model = language_model(variant)
        self.backbone = model.backbone_cls(
            **self.config, name="backbone", dtype=self.dtype_policy
        )
        view = SimpleNamespace(backbone=View(self.backbone))
        # Past Keras, to which it would be one more part.
        object.__setattr__(self, "asked", (model, view))

    def build(self, fused_shape, tokens_shape=(), masks_shape=()):
        self.prefix = 1 + sum(shape[1] for shape in tokens_shape)
        self.caches, width = self.config["num_layers"], self.width
        query = self.config.get("num_query_heads")
        heads = self.config.get("num_key_value_heads")
        query = query or self.config["num_heads"]
        each = self.config.get("head_dim") or width // query
        self.cache_shape = (heads or query, each)
        self.context = self._dense("context", fused_shape[-1])
        self.projections = [
            self._dense(f"tokens_{i}", shape[-1])
            for i, shape in enumerate(tokens_shape)
        ]
        if self.frozen:
            # Of a layer around others, nothing inside would be trained.
            for each in private.layers_inside(self.backbone):
                each.trainable = bool(private.layers_right_inside(each))

    @property
    def width(self):
        """Width of the language model."""
        return self.config["hidden_dim"]

    def _dense(self, name, width):
        dense = layers.Dense(self.width, name=name, dtype=self.dtype_policy)
        dense.build((None, None, width))
        return dense

    def read(self, fused, tokens, masks):
        """Returns the prefix, and what hides each of its places."""
        x = ops.concatenate(
            [ops.expand_dims(self.context(fused), 1)]
            + [d(each) for d, each in zip(self.projections, tokens)],
            axis=1,
        )
        here = [ops.ones_like(x[:, :1, 0])]
        here += [ops.cast(mask, x.dtype) for mask in masks]
        return x, ops.concatenate(here, axis=1)

    def stack(self, caches, start, stop):
        """Returns some places of all caches as keras_hub has them."""
        found = [
            ops.stack(
                [caches[f"{n}{i}"][:, start:stop] for n in (KEY, VALUE)], axis=1
            )
            for i in range(self.caches)
        ]
        return ops.stack(found, axis=1)

    def newest(self, cache, place):
        """Returns keys and values of one place, by name."""
        one = ops.take(cache, ops.reshape(place, (1,)), axis=3)
        return {
            f"{name}{i}": one[:, i, k]
            for i in range(self.caches)
            for k, name in enumerate((KEY, VALUE))
        }

    def pack(self, cache, here):
        """Returns keys, values and mask of places as one tensor."""
        heads, each = self.cache_shape
        x = ops.transpose(cache, (0, 3, 1, 2, 4, 5))
        x = ops.reshape(x, (-1, self.prefix, 2 * self.caches * heads * each))
        hidden = ops.expand_dims((1 - here) * HIDDEN, -1)
        x = ops.concatenate([x, ops.cast(hidden, x.dtype)], axis=-1)
        return ops.cast(x, "float32")

    def unpack(self, memory):
        """Returns the cache that `pack` was given, once for each reference."""
        heads, each = self.cache_shape
        memory = ops.cast(memory[..., :-1], self.compute_dtype)
        memory = ops.repeat(memory, self.references, axis=0)
        x = ops.reshape(memory, (-1, self.prefix, self.caches, 2, heads, each))
        return ops.transpose(x, (0, 2, 3, 1, 4, 5))

    def empty(self, like, places):
        """Returns a cache of places that nothing is written in."""
        one = ops.zeros_like(like[:, :1, :1])
        one = ops.reshape(one, (-1, 1, 1, 1, 1, 1))
        shape = (self.caches, 2, places, *self.cache_shape)
        return ops.tile(ops.cast(one, self.compute_dtype), (1, *shape))

    def ask(self, method, *arguments, **named):
        """Calls a method of the language model on this backbone."""
        model, view = self.asked
        return getattr(model, method)(view, *arguments, **named)

    def get_config(self):
        return {
            **super().get_config(),
            "variant": self.variant,
            "config": self.config,
            "frozen": self.frozen,
        }

    def compute_output_shape(
        self, fused_shape, tokens_shape=(), masks_shape=()
    ):
        prefix = 1 + sum(shape[1] for shape in tokens_shape)
        heads, each = self.cache_shape
        return (fused_shape[0], prefix, 2 * self.caches * heads * each + 1)


@keras.saving.register_keras_serializable(package="mmkeras")
class HubTextDecoder(HubWriter):
    """A causal language model whose first tokens are what was read.

    A token that is hidden is one learned vector in its place.
    """

    def build(self, fused_shape, tokens_shape=(), masks_shape=()):
        super().build(fused_shape, tokens_shape, masks_shape)
        self.nothing = self.add_weight(
            name="nothing", shape=(self.width,), initializer="zeros"
        )

    def call(self, fused, tokens, masks):
        x, here = self.read(fused, tokens, masks)
        there = ops.expand_dims(here, -1)
        x = x * there + (1 - there) * ops.cast(self.nothing, x.dtype)
        cache = self.empty(x, self.prefix)
        _, _, cache = self.ask("call_with_cache", x, cache, 0)
        # What stands for a hidden token is read as any other.
        return self.pack(cache, ops.ones_like(here))

    def log_probabilities(self, memory, labels):
        ids = self.ids_of(labels)
        read = ops.reshape(self.before(ids), (-1, self.length))
        before = self.unpack(memory)
        room = self.empty(ops.expand_dims(read, -1), self.length)
        cache = ops.concatenate([before, room], axis=3)
        logits, _, _ = self.ask("call_with_cache", read, cache, self.prefix)
        shape = (-1, self.references * self.length, self.size)
        logits = ops.reshape(ops.cast(logits, "float32"), shape)
        return ops.log_softmax(logits, axis=-1), ids

    def step(self, tokens, input_pos, mask, caches):
        place = self.prefix + input_pos[0]
        cache = self.stack(caches, 0, self.prefix + self.length)
        logits, _, cache = self.ask("call_with_cache", tokens, cache, place)
        return {"logits": logits, **self.newest(cache, place)}


@keras.saving.register_keras_serializable(package="mmkeras")
class HubCrossTextDecoder(HubWriter):
    """The decoder of an encoder-decoder, which looks at what was read.

    Its own encoder is not used: the towers are.
    """

    def build(self, fused_shape, tokens_shape=(), masks_shape=()):
        super().build(fused_shape, tokens_shape, masks_shape)
        for name, layer in vars(self.backbone).items():
            if name.startswith("encoder_"):
                for each in layer if isinstance(layer, list) else [layer]:
                    each.trainable = False

    def call(self, fused, tokens, masks):
        x, here = self.read(fused, tokens, masks)
        start = ops.cast(ops.ones_like(x[:, :1, 0]), "int32")
        cross = self.decode(x, here, start, 0, self.empty(x, 1),
                            self.empty(x, self.prefix), 0)[-1]  # fmt: skip
        return self.pack(cross, here)

    def decode(self, x, here, tokens, place, own, cross, index=None):
        """Calls the decoder with both of its caches."""
        return self.ask(
            "call_decoder_with_cache",
            encoder_hidden_states=x,
            encoder_padding_mask=here,
            decoder_token_ids=tokens,
            self_attention_cache=own,
            self_attention_cache_update_index=place,
            cross_attention_cache=cross,
            cross_attention_cache_update_index=index,
        )

    def log_probabilities(self, memory, labels):
        ids = self.ids_of(labels)
        read = ops.reshape(self.before(ids), (-1, self.length))
        here = ops.cast(memory[..., -1] > HIDDEN / 2, self.compute_dtype)
        here = ops.repeat(here, self.references, axis=0)
        own = self.empty(ops.expand_dims(read, -1), self.length)
        logits = self.decode(
            self.nowhere(here), here, read, 0, own, self.unpack(memory)
        )[0]
        shape = (-1, self.references * self.length, self.size)
        logits = ops.reshape(ops.cast(logits, "float32"), shape)
        return ops.log_softmax(logits, axis=-1), ids

    def step(self, tokens, input_pos, mask, caches):
        end = self.prefix + self.length
        here = mask[:, 0, 0, : self.prefix] > HIDDEN / 2
        here = ops.cast(here, self.compute_dtype)
        logits, _, own, _ = self.decode(
            self.nowhere(here),
            here,
            tokens,
            input_pos[0],
            self.stack(caches, self.prefix, end),
            self.stack(caches, 0, self.prefix),
        )
        return {"logits": logits, **self.newest(own, input_pos[0])}

    def nowhere(self, here):
        """Returns what stands for what was read once its keys are known."""
        return ops.expand_dims(here, -1) * ops.zeros(
            (1, 1, self.width), self.compute_dtype
        )

"""The contract catches what breaks it: a toy for each clause."""

import keras
import numpy as np
import pytest
from keras import ops

import mmkeras
from mmkeras.checks import check_fusion, check_tower
from mmkeras.fusion import Fusion

registered = keras.saving.register_keras_serializable("test_checks")


@registered
class Mean(Fusion):
    """Keeps every clause."""

    def build_fuse(self, features_shape):
        self.parts = self.dense_each(
            "part",
            {n: s["vector"][-1] for n, s in features_shape.items()},
            self.units,
        )

    def fuse(self, features):
        return sum(self.parts[n](features[n]["vector"]) for n in self.parts)


@registered
class Batchwise(Mean):
    def fuse(self, features):
        x = super().fuse(features)
        return x - ops.mean(x, axis=0, keepdims=True)


@registered
class Eager(Mean):
    """As if a Python branch had looked at a value."""

    def fuse(self, features):
        import tensorflow as tf

        return super().fuse(features) * (1 + tf.executing_eagerly())


@registered
class Unused(Mean):
    def build_fuse(self, features_shape):
        super().build_fuse(features_shape)
        self.spare = self.add_weight(name="spare", shape=(1,))


@registered
class Deaf(Mean):
    """Looks at the input of what is absent."""

    def call(self, features, present=None):
        x = super().call(features, present=present)
        name = sorted(features)[0]
        return x + ops.mean(features[name]["vector"], axis=-1, keepdims=True)


@registered
class Unmasked(Mean):
    def call(self, features, present=None):
        x = super().call(features, present=present)
        tokens = features[sorted(features)[-1]]["tokens"]
        return x + ops.mean(tokens, axis=(1, 2))[..., None] * 0.01


@registered
class InOrder(Mean):
    def call(self, features, present=None):
        x = super().call(features, present=present)
        first = next(iter(features))
        return x + ops.mean(features[first]["vector"], axis=-1, keepdims=True)


@registered
class Overflow(Mean):
    def fuse(self, features):
        return super().fuse(features) * 1e5 / 1e5


@registered
class Forgetful(Mean):
    """Its argument is not in its config."""

    def __init__(self, units=64, **kwargs):
        super().__init__(units, **kwargs)
        self.draw = float(np.random.default_rng().normal())

    def fuse(self, features):
        return super().fuse(features) + self.draw


@registered
class Divided(Mean):
    """Divides by how many are there."""

    def fuse(self, features):
        optional = {"left", "right"} & set(features)
        there = sum(features[name]["present"] for name in sorted(optional))
        return super().fuse(features) / there


@registered
class Flex(Mean):
    """Has no operator on a device."""

    def fuse(self, features):
        return ops.erfinv(ops.tanh(super().fuse(features)))


BROKEN = {
    "batch": Batchwise,
    "graph": Eager,
    "gradient": Unused,
    "absent": Deaf,
    "mask": Unmasked,
    "order": InOrder,
    "mixed_float16": Overflow,
    "saved": Forgetful,
}


@registered
class SecondSpread(Mean):
    """Adds a number a sample, which Keras 3.15 may take for a bias."""

    def fuse(self, features):
        x = super().fuse(features)
        return ops.add(x, features["middle"]["vector"][:, :1])


@registered
class FirstSpread(Mean):
    """The same the other way round, which is right."""

    def fuse(self, features):
        x = super().fuse(features)
        return ops.add(features["middle"]["vector"][:, :1], x)


def broken_clauses(error) -> list[str]:
    lines = str(error.value).splitlines()
    return [line[2:].split(":")[0] for line in lines if line.startswith("- ")]


def test_a_fusion_of_ones_own_keeps_every_clause():
    found = check_fusion(Mean(16))
    assert set(found) == {*BROKEN, "export"}
    assert set(found.values()) == {"kept"}


@pytest.mark.parametrize("clause", BROKEN)
def test_a_broken_clause_is_named(clause):
    with pytest.raises(ValueError, match="must keep every clause") as error:
        check_fusion(BROKEN[clause](16, name="mine"), export=False)
    assert clause in broken_clauses(error)


@pytest.mark.parametrize("units", [4, 11])
def test_a_sum_that_is_wrong_at_some_sizes_of_batch_is_found(units):
    """At 4 by its numbers: samples, tokens and units are as many."""
    with pytest.raises(ValueError, match="must keep every clause") as error:
        check_fusion(SecondSpread(units), export=False)
    assert "batch" in broken_clauses(error)
    said = (
        "give the same output"
        if units == 4
        else r"must .* first, `add\(b, a\)`"
    )
    assert error.match(said)
    check_fusion(FirstSpread(units), export=False)


def test_not_a_number_when_all_are_absent_is_found():
    with pytest.raises(ValueError, match="all absent must be finite"):
        check_fusion(Divided(16), export=False)


def test_an_operator_that_no_device_has_is_found():
    with pytest.raises(ValueError, match="- export: .*") as error:
        check_fusion(Flex(16))
    assert broken_clauses(error) == ["export"]


def test_a_clause_may_be_skipped_by_name():
    found = check_fusion(Unused(16), export=False, skip=("gradient",))
    assert found["gradient"] == "skipped"
    with pytest.raises(ValueError, match="`skip` must name clauses.*'?grad"):
        check_fusion(Mean(16), export=False, skip=("grad",))


def tower(name="image_tower", **changes):
    """A tower, and what `changes` makes of its outputs."""
    x = keras.Input((4, 8), name="image")
    tokens = keras.layers.Dense(16, name="image_tokens")(x)
    outputs = {
        "vector": ops.mean(tokens, axis=1),
        "tokens": tokens,
        "mask": ops.ones_like(tokens[:, :, 0]),
    }
    for key, change in changes.items():
        outputs[key] = change(outputs)
    outputs = {k: v for k, v in outputs.items() if v is not None}
    return keras.Model(x, outputs, name=name)


def test_a_tower_of_ones_own_keeps_every_clause():
    found = mmkeras.check_tower(tower())
    assert set(found.values()) == {"kept"}


def widened(outputs):
    return ops.concatenate([outputs["vector"]] * 2, axis=-1)


def soft(outputs):
    return ops.sigmoid(outputs["tokens"][:, :, 0])


TOWERS = {
    "no mask": ({"mask": lambda outputs: None}, "dict of `vector`"),
    "a wide vector": (
        {"vector": widened},
        r"`vector` \(batch, d\).*'vector': \(2, 32\)",
    ),
    "a soft mask": ({"mask": soft}, "float32 of 0 and 1"),
    "another name": (
        {"name": "mine"},
        "must have one input, and be called.*name='mine'",
    ),
}


@pytest.mark.parametrize("name", TOWERS)
def test_outputs_against_the_contract_are_refused(name):
    changes, message = TOWERS[name]
    with pytest.raises(ValueError, match=message):
        check_tower(tower(**changes), export=False)


@pytest.mark.parametrize("check", [check_tower, check_fusion])
def test_only_a_part_can_be_checked(check):
    with pytest.raises(ValueError, match="must be a keras.*Received"):
        check(Mean)


def test_a_backend_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="`backends` must be installed"):
        check_fusion(Mean(16), export=False, backends=("numpy",))

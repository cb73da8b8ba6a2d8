"""Fault 36: names that mean something else to Python or to a library."""

import io
import keyword

import numpy as np
import pytest

from mmkeras import artefact
from mmkeras.data import infer_spec
from mmkeras.spec import RESERVED, DataSpec

# What NumPy, TensorFlow or Keras take as arguments, files or their own words.
ALLOWED = (
    "allow_pickle", "args", "call", "con", "dtype", "epoch", "file", "id",
    "index", "inputs", "kwargs", "loss", "mask", "model", "name", "nul",
    "outputs", "size", "split", "training", "weight", "x",
)  # fmt: skip


def spec_of(modality="a", target="y"):
    return DataSpec.from_dict(
        {
            "name": "toy",
            "modalities": {modality: {"kind": "vector", "columns": ["u"]}},
            "targets": {target: {"kind": "number", "column": "v"}},
        }
    )


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_name_is_refused_in_the_spec(name):
    reason = "must not have a name that means something else"
    # Some of Python's words have capitals, which no name may have.
    reason = reason if name.islower() else "Names must be lower-case"
    with pytest.raises(ValueError, match=f"{reason}.*Received: '{name}'"):
        spec_of(modality=name)


def test_all_words_of_python_are_reserved():
    assert {*keyword.kwlist, "self", "count", "window"} <= RESERVED


@pytest.mark.parametrize("name", ALLOWED)
def test_a_name_that_is_an_argument_elsewhere_is_kept_in_a_file(name):
    assert [*spec_of(modality=name).modalities] == [name]
    file = io.BytesIO()
    artefact.write_arrays(file, {name: np.arange(3), "self": np.ones(2)})
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        assert sorted(arrays) == sorted([name, "self"])
        assert arrays[name].tolist() == [0, 1, 2]


def test_objects_are_never_written():
    with pytest.raises(ValueError, match="allow_pickle"):
        artefact.write_arrays(io.BytesIO(), {"a": np.array([{}])})


@pytest.mark.parametrize("name", ["class", "self", "window", "lambda"])
def test_a_target_is_free_where_it_harms_nothing(name):
    assert [*spec_of(target=name).targets] == [name]


def test_a_target_called_present_is_refused():
    with pytest.raises(ValueError, match="must not be called `present`"):
        spec_of(target="present")


def test_a_guessed_spec_avoids_reserved_names():
    pd = pytest.importorskip("pandas")
    draw = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "Class": [f"word {i} and {i % 7} more words" for i in range(60)],
            "y": draw.choice(["yes", "no"], 60),
        }
    )
    spec = infer_spec(table, target="y").spec
    assert not RESERVED & {*spec.modalities}

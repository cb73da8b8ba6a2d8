"""Statistics of parts add up to NumPy's of the whole."""

import numpy as np
import pytest
from data.data_toys import make_spec

from mmkeras.data import facts_of, merge_sums, whole_sums

RANDOM = np.random.default_rng(0)
SPEC = make_spec()
SAMPLES = {
    "image": RANDOM.integers(0, 256, (9, 8, 6, 1)).astype(np.uint8),
    "audio": RANDOM.integers(-30000, 30000, (9, 800)).astype(np.int16),
    "vector": (RANDOM.normal(size=(9, 2)) + [0, 1e6]).astype(np.float32),
}


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("parts", [1, 2, 9])
def test_merged_sums_are_those_of_the_whole(kind, parts):
    modality, merged = SPEC.modalities[kind], None
    for part in np.array_split(SAMPLES[kind], parts):
        sums = None
        for sample in part:
            sums = merge_sums(sums, modality.sums(sample))
        merged = merge_sums(merged, sums)
    found = modality.finish(merged)
    values = SAMPLES[kind].astype(np.float64)
    if kind == "vector":
        assert np.allclose(found["mean"], values.mean(0), rtol=1e-12)
        assert np.allclose(found["variance"], values.var(0), rtol=1e-9)
        return
    scaled = values / (255 if kind == "image" else 32768)
    assert np.allclose(found["mean"], scaled.mean(), rtol=1e-12, atol=1e-12)
    assert np.allclose(found["std"], scaled.std(), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
@pytest.mark.parametrize("shape", [(1,), (7, 1), (50, 40, 3)])
def test_sums_of_whole_numbers_are_exact(dtype, shape):
    limits = np.iinfo(dtype)
    # The squares of all of them must fit into 64 bits.
    low, high = max(limits.min, -(10**6)), min(limits.max, 10**6)
    value = RANDOM.integers(low, high, shape, dtype, endpoint=True)
    channels = value.reshape(-1, shape[-1]).T.tolist()
    assert whole_sums(value) == {
        "n": len(channels[0]),
        "sum": [sum(numbers) for numbers in channels],
        "squares": [sum(x * x for x in numbers) for numbers in channels],
    }


@pytest.mark.parametrize(
    "kind, expected",
    [
        ("image", {"mean": [0.0], "std": [1.0]}),
        ("audio", {"mean": 0.0, "std": 1.0}),
        ("vector", {"mean": [0.0, 0.0], "variance": [1.0, 1.0]}),
    ],
)
def test_a_modality_never_seen_has_neutral_statistics(kind, expected):
    assert SPEC.modalities[kind].finish(None) == expected


def test_targets_count_only_labelled_samples():
    found = facts_of(
        SPEC.targets,
        {
            "color": np.array([0, 2, 2, 0]),
            "tags": np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]]),
            "size": np.array([1.0, 3.0, 100.0, 0.0]),
        },
        {
            "color": np.array([1, 1, 1, 0]),
            "tags": np.array([1, 1, 1, 0]),
            "size": np.array([1, 1, 0, 0]),
        },
    )
    assert found == {
        "color": {"counts": {"black": 1, "grey": 0, "white": 2}},
        "tags": {"counts": {"black": 2, "grey": 1, "white": 1}},
        "size": {"mean": 2.0, "std": 1.0},
    }

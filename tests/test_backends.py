"""The same numbers on every backend of Keras."""

import importlib.util

import keras
import pytest
from zoo import FUSIONS, HEADS, TOWERS

from mmkeras.checks import (
    BACKENDS,
    check_backend,
    classifier,
    fused_classifier,
    headed_model,
)

# One of each way to compute: convolutions, a loop, attention, a spectrum.
SMALL = {
    "audio-gru", "gated", "image-cnn", "self_attention", "text-transformer",
    "vector", *HEADS,
}  # fmt: skip


def models(names) -> dict[str, keras.Model]:
    keras.utils.set_random_seed(0)
    found = {n: classifier(make()) for n, make in TOWERS.items() if n in names}
    for name, make in FUSIONS.items():
        if name in names:
            found[name] = fused_classifier(make())
    for name, (head, _) in HEADS.items():
        if name in names:
            found[name] = headed_model(head)
    return found


@pytest.fixture(params=BACKENDS)
def backend(request, monkeypatch):
    # Compiling takes most of the time, and is not what is compared.
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed; see `make backends`")
    return request.param


def test_a_small_part_of_each_sort_agrees(backend):
    found = models(SMALL)
    assert set(found) == SMALL
    check_backend(backend, found)


@pytest.mark.slow
def test_every_part_agrees(backend):
    check_backend(backend, models({*TOWERS, *FUSIONS, *HEADS}))

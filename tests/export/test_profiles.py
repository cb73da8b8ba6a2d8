"""Device profiles: read strictly, and held against real files."""

import keras
import pytest

from mmkeras.export import (
    load_profile,
    misfits,
    peak_bytes,
    profiles_folder,
    to_tflite,
)

NAMES = sorted(path.stem for path in profiles_folder().glob("*.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_of_the_package_is_read(name):
    profile = load_profile(name)
    assert profile.name == name and profile.description


def test_the_named_devices_are_there():
    assert {"raspberry-pi-4", "raspberry-pi-5", "phone",
            "microcontroller"} <= set(NAMES)  # fmt: skip


WRONG = {
    "unknown key": ("memory = 3", "`memory` is not a known key", "memory_kb"),
    "wrong type": ('memory_kb = "3"', "`memory_kb`", "'3'"),
    "too small": ("memory_kb = 0", "`memory_kb`", "0"),
    "missing": ("threads = 1", "`memory_kb`", "nothing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_key_is_named(case, tmp_path):
    text, *parts = WRONG[case]
    path = tmp_path / "mine.toml"
    path.write_text(f'description = "mine"\n{text}\n', encoding="utf-8")
    with pytest.raises(ValueError, match="mine.toml") as error:
        load_profile(path)
    assert all(part in str(error.value) for part in parts)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ValueError, match="raspberry-pi-4`\\?"):
        load_profile("raspberry-pi4")


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Three dense layers: 100 to 50 to 40 to 10 numbers."""
    x = keras.Input((100,), name="x")
    y = keras.layers.Dense(50, "relu")(x)
    y = keras.layers.Dense(40, "relu")(y)
    y = keras.layers.Dense(10, name="y")(y)
    path = tmp_path_factory.mktemp("chain") / "chain.tflite"
    to_tflite(keras.Model({"x": x}, {"y": y}), path)
    return path


def test_the_peak_is_the_largest_pair_of_neighbours(chain):
    assert peak_bytes(chain) == (100 + 50) * 4


def test_a_loop_counts_its_body(tmp_path):
    x = keras.Input((6, 8), name="x")
    y = keras.layers.GRU(16, name="y")(x)
    path = tmp_path / "loop.tflite"
    to_tflite(keras.Model({"x": x}, {"y": y}), path)
    # At least the input, and the three gates of a step.
    assert peak_bytes(path) >= (6 * 8 + 3 * 16) * 4


LIMITS = {
    "fits": ({}, []),
    "too little memory": ({"memory_kb": 1, "flash_kb": 100}, []),
    "too large a file": (
        {"memory_kb": 10, "flash_kb": 10}, ["10 kB of flash"]),
    "file and activations": ({"memory_kb": 10}, ["The file and its"]),
    "an operator": (
        {"operators": ("CONV_2D",)}, ["Received: FULLY_CONNECTED"]),
}  # fmt: skip


@pytest.mark.parametrize("case", LIMITS)
def test_what_does_not_fit_is_told(case, chain):
    changes, wanted = LIMITS[case]
    profile = load_profile("raspberry-pi-4").model_copy(update=changes)
    found = misfits(chain, profile)
    assert len(found) == len(wanted)
    assert all(part in line for part, line in zip(wanted, found))

"""Files that declare far more than they hold: refused at once, unallocated."""

import copy
import json
import os
import re
import subprocess
import sys
import zipfile
import zlib

import h5py
import numpy as np
import pytest
from faults.model_toys import (
    NAMES,
    layer_of,
    members,
    pack,
    save_toy,
    with_config,
    with_weights,
)

MB = 1_000_000


def config_bomb(**changes):
    def build(toy, path):
        def change(config):
            layer = layer_of(config, "inner_dense")
            layer["config"].update(changes)
            layer["build_config"] = {"input_shape": [None, 4]}

        return with_config(toy, path, change)

    return build


def wide_layers(toy, path):
    """Two layers, each as wide as one that a file could well hold."""

    def change(config):
        for name in ("inner_dense", "outer_dense"):
            layer = layer_of(config, name)
            layer["config"]["units"] = 30_000
            layer.pop("build_config")

    return with_config(toy, path, change)


def other_layer(name, module="keras.layers", registered=None, **arguments):
    def build(toy, path):
        def change(config):
            layer = layer_of(config, "outer_dense")
            layer.pop("build_config")
            layer.update(
                class_name=name, module=module, registered_name=registered
            )
            layer["config"] = {"name": "outer_dense", **arguments}

        return with_config(toy, path, change)

    return build


def with_text(text):
    def build(toy, path):
        parts = {**members(toy), "config.json": text()}
        return pack(path, [(n, parts[n]) for n in NAMES], zipfile.ZIP_STORED)

    return build


def inflating(name, size):
    """A member that unpacks to zeros: 1 KB in the file for each MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(MB)) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = block * (size // MB) + packer.flush()

    def build(toy, path):
        parts = [(n, d) for n, d in members(toy).items() if n != name]
        pack(path, parts)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, zeros)
            info = archive.getinfo(name)
            # What is written last is the directory, which readers believe.
            info.compress_type, info.file_size = zipfile.ZIP_DEFLATED, size
        return path

    return build


def many_members(toy, path):
    parts = [(f"assets/{i}", b"") for i in range(5_000)]
    return pack(path, [*members(toy).items(), *parts])


def unstored(**options):
    def change(root):
        root.create_dataset("big", (900 * MB,), "float32", **options)

    return lambda toy, path: with_weights(toy, path, change)


def many_groups(toy, path):
    def change(root):
        for i in range(80):
            root = root.create_group("g")

    return with_weights(toy, path, change)


def literal(dtype):
    value = {"class_name": "__numpy__", "config": {"value": [], "dtype": dtype}}
    return config_bomb(kernel_initializer=value)


def nested_metric(toy, path):
    """Metrics of a model in the model, whose variables Keras makes."""

    def change(config):
        layer_of(config, "inner")["compile_config"] = {
            "optimizer": "sgd",
            "loss": "mse",
            "metrics": [
                {
                    "class_name": "MeanIoU",
                    "module": "keras.metrics",
                    "registered_name": None,
                    "config": {"num_classes": 30_000},
                }
            ],
        }

    return with_config(toy, path, change)


def beside_the_graph(count, nested=False):
    """Layers that no output is computed by, which Keras makes all the same."""

    def build(toy, path):
        def change(config):
            layer = layer_of(config, "inner_dense")
            graph = layer_of(config, "inner") if nested else config
            for i in range(count):
                extra = copy.deepcopy(layer)
                extra["name"] = extra["config"]["name"] = f"extra_{i}"
                graph["config"]["layers"].append(extra)

        return with_config(toy, path, change)

    return build


def beside_each_other(toy, path):
    """Two layers that read each other, and that nobody reads."""

    def change(config):
        for name, other in (("left", "right"), ("right", "left")):
            extra = copy.deepcopy(layer_of(config, "outer_dense"))
            extra["name"] = extra["config"]["name"] = name
            tensor = extra["inbound_nodes"][0]["args"][0]
            tensor["config"]["keras_history"] = [other, 0, 0]
            config["config"]["layers"].append(extra)

    return with_config(toy, path, change)


LOGMEL = other_layer(
    "LogMel", "mmkeras.towers.logmel", "mmkeras>LogMel", sample_rate_hz=16_000,
    frame_length=10**7, frame_step=10, fft_length=10**7, mel_bands=10**4,
)  # fmt: skip
# How each is made, and the reason it is refused for.
BOMBS = {
    "units 4e8": (config_bomb(units=400_000_000), "shape .4, 400000000"),
    "wide layers": (wide_layers, "a weight of shape .*stores less"),
    "embedding": (
        other_layer("Embedding", input_dim=10**8, output_dim=64),
        "shape .100000000, 64",
    ),
    "states": (other_layer("GRU", units=3, stateful=True), "a stateful layer"),
    "filters": (LOGMEL, "`mel_bands` 10,000 in the config; at most 512"),
    "metric": (nested_metric, "shape .30000, 30000"),
    "a type of 1 GB": (literal("S1000000000"), "type 'S1000000000'"),
    "config of 900 MB": (
        inflating("config.json", 900 * MB),
        "of 900,000,000 bytes; at most",
    ),
    "a million lists": (
        with_text(lambda: b"[" + b"[]," * MB + b"[]]"),
        "2,000,002 entries",
    ),
    "deep lists": (
        with_text(lambda: b"[" * 200_000 + b"]" * 200_000),
        "nested too deeply",
    ),
    "deep objects": (
        with_text(lambda: b'{"a":' * 500 + b"1" + b"}" * 500),
        "more than 100 deep",
    ),
    "assets of 750 MB": (
        inflating("assets/vocabulary.txt", 750 * MB),
        "without assets",
    ),
    "weights of 100 MB": (
        inflating("model.weights.h5", 100 * MB),
        "compressed",
    ),
    "many members": (many_members, "a zip directory of 284,068 bytes"),
    "3.6 GB in 1.8 KB": (
        unstored(chunks=(MB,), compression="gzip"),
        "compressed",
    ),
    "3.6 GB in chunks": (unstored(chunks=(MB,)), "`/big` in chunks"),
    "3.6 GB in none": (unstored(), "3,600,000,000 bytes, of which 0"),
    "200 layers": (beside_the_graph(200), "no output needs 200, such as"),
    "1,400 layers": (beside_the_graph(1_400), "no output needs 1,400"),
    "layers inside": (beside_the_graph(9, nested=True), "no output needs 9"),
    "a ring": (beside_each_other, "no output needs 2, such as 'left'"),
    "deep groups": (many_groups, "more than 64 deep"),
}


CHILD = """
import json, os, resource, sys, time
from mmkeras.model import load_model

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

folder, toy, *names = sys.argv[1:]
load_model(toy)
start, found = peak(), {}
for name in names:
    begin = time.perf_counter()
    try:
        load_model(os.path.join(folder, name))
        message = "loaded"
    except ValueError as error:
        message = str(error)
    seconds = time.perf_counter() - begin
    found[name] = [message, seconds, peak() - start]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """What a process of its own makes of each bomb."""
    folder = tmp_path_factory.mktemp("bombs")
    toy = save_toy(tmp_path_factory.mktemp("toy") / "model.keras")
    files = {f"{i}.keras": name for i, name in enumerate(BOMBS)}
    for file, name in files.items():
        BOMBS[name][0](toy, folder / file)
    temporary = tmp_path_factory.mktemp("temporary")
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(toy), *files],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert child.returncode == 0, child.stderr[-2000:]
    found = json.loads(child.stdout.splitlines()[-1])
    left = sorted(p.name for p in temporary.iterdir())
    left += sorted(p.name for p in folder.iterdir() if p.name not in files)
    return {files[file]: each for file, each in found.items()}, left


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_at_once_and_in_little_memory(outcome, name):
    message, seconds, megabytes = outcome[0][name]
    reason = f"bomb.*must be a model saved by Keras.*{BOMBS[name][1]}"
    assert re.search(reason, message)
    assert seconds < 2
    assert megabytes < 200


def test_nothing_is_left_on_disk(outcome):
    assert outcome[1] == []


def test_the_bomb_of_the_table_is_as_small_as_it_says(tmp_path):
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        big = file.create_dataset(
            "big", (900 * MB,), "float32", chunks=(MB,), compression="gzip"
        )
        assert big.nbytes == 3_600_000_000
    assert (tmp_path / "bomb.h5").stat().st_size < 5_000
    assert len(zlib.compress(np.zeros(MB, "uint8"))) < 2_000

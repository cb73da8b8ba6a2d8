"""The clause about Keras' other backends: the same numbers within 1e-4."""

import importlib.util
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from mmkeras import artefact, processes
from mmkeras import keras_private as private
from mmkeras.checks.clauses import output_of
from mmkeras.checks.toys import toy_problem

BACKENDS = ("jax", "torch")


def same_on(backend: str, models: Mapping[str, keras.Model]) -> None:
    """The outputs of models on another backend are within 1e-4.

    Args:
        backend: "jax" or "torch"; it has to be installed.
        models: Models with the output `label`, by name.

    Raises:
        ValueError: If any differs, or does not load there.
    """
    if backend not in BACKENDS or importlib.util.find_spec(backend) is None:
        raise ValueError(
            "`backends` must be installed ones. Received: "
            f"{backend!r}. Choices: {', '.join(BACKENDS)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            name: Path(folder) / f"{i:03d}.keras"
            for i, name in enumerate(models)
        }
        wanted = {}
        for name, model in models.items():
            x, _ = toy_problem(model, 4)
            wanted[name] = output_of(model, x)
            model.save(paths[name])
            artefact.write_arrays(paths[name].with_suffix(".npz"), x)
        _run(backend, folder, _modules(models))
        for name, path in paths.items():
            found = np.load(path.with_suffix(".npy"), allow_pickle=False)
            apart = float(np.abs(found - wanted[name]).max())
            if not apart <= 1e-4:
                raise ValueError(
                    f"{backend} and {keras.backend.backend()} must be within "
                    f"1e-4. Received: {apart:.2g} for `{name}`"
                )


def _modules(models: Mapping[str, keras.Model]) -> list[str]:
    """Returns the modules that register what the models are made of."""
    modules = {
        type(layer).__module__
        for model in models.values()
        for layer in private.layers_inside(model)
    }
    return sorted(m for m in modules if m.split(".")[0] != "keras")


def _run(backend: str, folder: str, modules: list[str]) -> None:
    with processes.running(
        "mmkeras.checks.other_backend",
        folder,
        backend=backend,
        modules=modules,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        _, log = child.communicate()
    if child.returncode:
        raise ValueError(
            f"the models must run on {backend}. Received: "
            f"{processes.last_line(log)}"
        )

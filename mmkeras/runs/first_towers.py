"""Towers that begin with the weights they have in other runs."""

from collections.abc import Mapping
from pathlib import Path

import keras

from mmkeras import artefact
from mmkeras.data import Data
from mmkeras.model import load_model
from mmkeras.runs.recipe import InitOptions
from mmkeras.spec import DataSpec
from mmkeras.training.stages.resume import differences
from mmkeras.training.trainable.single_towers import modalities
from mmkeras.training.trainable.transfer import take_tower


def take_towers(
    model: keras.Model, data: Data, init: Mapping[str, InitOptions]
) -> dict[str, str]:
    """Gives towers the weights that other runs, or stages of them, have.

    Args:
        model: The model to be trained.
        data: Its data.
        init: Runs by modality, as `read_init` returns them.

    Returns:
        SHA-256 of the manifest of each run, by modality.
    """
    found = {}
    for name, entry in init.items():
        if name not in modalities(model):
            raise ValueError(
                f"`init.{name}` must give one of the modalities "
                f"{', '.join(modalities(model))} a run. Received: "
                f"{entry.run!r}"
            )
        folder = Path(entry.run)
        manifest = artefact.read_manifest(folder, "run")
        source = entry.name or name
        check_same_kind(data.spec, name, manifest, source)
        check_same_words(data, name, manifest, source)
        take_tower(model, name, load_model(folder), entry.name)
        found[name] = artefact.sha256_of(folder / artefact.MANIFEST)
    return found


def check_same_kind(
    spec: DataSpec, name: str, manifest: dict, source_name: str
) -> None:
    """Raises ValueError if a tower would read what it never learned to.

    Shapes of weights do not tell a sample rate, or a window, from another.
    """
    other = manifest.get("spec", {}).get("modalities", {}).get(source_name)
    if other is None:
        return
    there, here = spec.modalities[name].same_input(other)
    lines = differences(there, here, f"modalities.{name}")
    if lines:
        raise ValueError(
            f"`init.{name}` must name a run on the same kind of data. "
            f"Received, there -> here: {'; '.join(lines)}"
        )


def check_same_words(
    data: Data, name: str, manifest: dict, source_name: str
) -> None:
    """Raises ValueError if a token or category means something else there.

    Each data set trains a tokenizer of its own, and numbers its categories.
    """
    there = manifest.get("vocabularies", {}).get(source_name)
    here = data.vocabularies.get(name)
    if there and here and there != here:
        raise ValueError(
            f"`init.{name}` must name a run whose tokens or categories have "
            "the same numbers. Received, sha256 of the tokenizer or the "
            f"categories, there -> here: {there[:16]} -> {here[:16]}. Share "
            'one: `tokenizer = "bert"` or "roberta" with its `vocabulary`, '
            "or both sets prepared as one"
        )

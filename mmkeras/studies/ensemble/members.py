"""The runs that an ensemble is made of, opened and checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from mmkeras import artefact
from mmkeras.data import Data
from mmkeras.model import load_model
from mmkeras.runs import heads_of as heads_of_recipe
from mmkeras.runs import open_data, recipe_of


@dataclass
class Member:
    """A trained model, and where it comes from.

    Args:
        path: Its run, or a checkpoint of one.
        manifest: The run's manifest.
        model: The model.
    """

    path: Path
    manifest: dict[str, Any]
    model: keras.Model


def open_members(
    paths: Sequence[str | Path], folder: str | Path | None = None
) -> tuple[list[Member], Data]:
    """Loads runs that were trained on the same data, and these.

    Args:
        paths: Folders of runs, or of checkpoints inside them.
        folder: Where the prepared data are now, if they have moved.

    Raises:
        ValueError: If there are fewer than two, one is named twice, or they
            were trained on different data.
    """
    places = [Path(path).resolve() for path in paths]
    if len(places) < 2 or len(set(places)) < len(places):
        raise ValueError(
            "An ensemble must have two or more different runs. Received: "
            + (", ".join(str(path) for path in paths) or "none")
        )
    manifests = [manifest_of(Path(path)) for path in paths]
    for path, manifest in zip(paths, manifests, strict=True):
        if "data_sha256" not in manifest or "recipe" not in manifest:
            raise ValueError(
                "The members of an ensemble must be runs, or checkpoints of "
                f"them. Received: `{path}`, whose manifest has no data and "
                "recipe, such as a stage of a training"
            )
        if manifest["data_sha256"] != manifests[0]["data_sha256"]:
            raise ValueError(
                "The runs of an ensemble must be trained on the same data. "
                f"Received: {paths[0]} on {manifests[0]['data']}, {path} on "
                f"{manifest['data']}"
            )
    data = open_data(manifests[0], folder)
    members = [
        Member(Path(path), manifest, load_model(path))
        for path, manifest in zip(paths, manifests, strict=True)
    ]
    return members, data


def manifest_of(path: Path) -> dict[str, Any]:
    """Returns the manifest of a run, or of the run a checkpoint belongs to."""
    manifest = artefact.read_manifest(path, check_files=False)
    if manifest["kind"] == "checkpoint":
        return artefact.read_manifest(
            path.resolve().parents[1], "run", check_files=False
        )
    return artefact.read_manifest(path, "run", check_files=False)


def heads_of(manifest: dict[str, Any], data: Data) -> dict[str, Any]:
    """Returns the heads of a run's recipe, with losses and metrics."""
    recipe = recipe_of(manifest, data.spec)
    return heads_of_recipe(data.spec, data.statistics, recipe)

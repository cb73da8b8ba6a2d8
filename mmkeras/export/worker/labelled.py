"""Labelled samples of a request, for mixed precision."""

import functools

from mmkeras.export.recipes.context import Labelled
from mmkeras.export.verification.drops import largest_drop
from mmkeras.export.worker.messages import LabelledFiles, load
from mmkeras.spec import DataSpec


def read_labelled(files: LabelledFiles) -> Labelled:
    """Returns the samples, and what measures a drop on them."""
    drop = functools.partial(
        largest_drop,
        DataSpec.from_dict(dict(files.spec)).targets,
        load(files.labels),
        load(files.weights),
    )
    return Labelled(load(files.x), drop, files.limit)

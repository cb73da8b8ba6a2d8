"""Labelled samples of a request, for mixed precision."""

import functools

from mmkeras.export.recipes.context import Labelled
from mmkeras.export.worker.messages import LabelledFiles, load


def read_labelled(files: LabelledFiles) -> Labelled:
    """Returns the samples, and what measures a drop on them."""
    # Only what needs it waits for it.
    from mmkeras.export.verification.drops import largest_drop
    from mmkeras.spec import DataSpec

    drop = functools.partial(
        largest_drop,
        DataSpec.from_dict(dict(files.spec)).targets,
        load(files.labels),
        load(files.weights),
    )
    return Labelled(load(files.x), drop, files.limit)

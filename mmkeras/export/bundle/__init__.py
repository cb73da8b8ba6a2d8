"""The bundle: the files, the card, the manifest, and what a device holds."""

from mmkeras.export.bundle.contents import (
    CARD,
    LABELS,
    RUNNER,
    check_target,
    fill,
    labels,
    next_command,
    put,
    runner_source,
    seal,
    staging,
    writing,
)

__all__ = [
    "CARD",
    "LABELS",
    "RUNNER",
    "check_target",
    "fill",
    "labels",
    "next_command",
    "put",
    "runner_source",
    "seal",
    "staging",
    "writing",
]

"""The bundle: the files, the card, the manifest, and what a device holds."""

from mmkeras.export.bundle.contents import (
    CARD,
    LABELS,
    check_target,
    fill,
    labels,
    next_command,
    put,
    put_failed,
    seal,
    staging,
)
from mmkeras.export.bundle.device_code import (
    RUNNER,
    RUNNERS,
    code,
    describe,
    runner_source,
)

__all__ = [
    "CARD",
    "LABELS",
    "RUNNER",
    "RUNNERS",
    "check_target",
    "code",
    "describe",
    "fill",
    "labels",
    "next_command",
    "put",
    "put_failed",
    "runner_source",
    "seal",
    "staging",
]

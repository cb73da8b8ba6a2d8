"""One export: what is to be exported, and with what."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmkeras.export.export_settings import Settings
from mmkeras.export.verification.sampling import Arrays, Samples
from mmkeras.spec import DataSpec

# Purposes of samples.
TEST, CHOICE = "test", "choice"


@dataclass(frozen=True)
class ExportJob:
    """What is to be exported, and with what.

    Args:
        model: Folder of a run, or a `.keras` file.
        spec: The data spec.
        settings: What was asked for.
        folder: Where files are made.
        calibration: Inputs that int8 ranges are taken from.
        samples: By purpose: `TEST`, and `CHOICE` where something is chosen.
        test_split: Samples in the whole test split.
        worker: Does a request in another process; returns its result.
        report: Takes each line of the report.
        reference: A larger model that this one was made from, if any.
    """

    model: Path
    spec: DataSpec
    settings: Settings
    folder: Path
    calibration: Arrays
    samples: Mapping[str, Samples]
    test_split: int
    worker: Callable[[Any], Any]
    report: Callable[[str], None]
    reference: Path | None = None

    @property
    def writes(self) -> bool:
        """Whether a target is a text that is written."""
        return bool(self.spec.written)

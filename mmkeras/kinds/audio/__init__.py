"""Recordings of sound."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mmkeras.spec.modality import Modality, Stored
from mmkeras.spec.registry import register_modality
from mmkeras.spec.tables import Column


@register_modality
class Audio(Modality):
    """A recording: WAV or FLAC, mixed to mono, resampled, cut or padded.

    Args:
        kind: "audio".
        column: Manifest column with the path.
        optional: Whether a sample may lack it.
        sample_rate_hz: Rate in samples a second after resampling.
        duration_sec: Length in seconds; shorter recordings are padded with
            silence at the end, longer ones cut.
        crop: Which part of a longer recording is kept: "start" or "center".
        noise_snr_db: Signal-to-noise ratio in dB of white noise added once at
            ingest; none when left out.
    """

    kind: Literal["audio"]
    column: Column
    sample_rate_hz: Annotated[int, Field(ge=1_000, le=384_000)]
    duration_sec: Annotated[float, Field(gt=0, le=600)]
    crop: Literal["start", "center"] = "start"
    noise_snr_db: Annotated[float, Field(ge=-60, le=120)] | None = None
    stored: ClassVar[Stored] = Stored("<i2", scale=1 / 32768)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (samples,)."""
        return (round(self.sample_rate_hz * self.duration_sec),)

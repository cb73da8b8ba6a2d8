"""Recordings of sound."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.answers import Augmentation, AugmentationFile
from mmkeras.spec.modality import Modality, Stored
from mmkeras.spec.registry import register_modality
from mmkeras.spec.tables import Column

# What 1.0 is in 16 bits, which end one below.
FULL_SCALE = 32768


@register_modality
class Audio(Modality):
    """A recording of sound, mixed to mono, resampled, cut or padded.

    Args:
        kind: "audio".
        column: Manifest column with the path.
        optional: Whether a sample may lack it.
        sample_rate_hz: Rate in samples a second after resampling.
        duration_sec: Length in seconds; shorter recordings are padded with
            silence at the end, longer ones cut.
        crop: Which part of a longer recording is kept: "start" or "center".
        silence: What happens to a recording without any sound: "refuse"
            (quarantine it) or "keep".
        trim_db: What is softer than the loudest 20 ms by more decibel than
            this is cut from both ends; nothing when left out.
        loudness_dbfs: Level that every recording is brought to, root mean
            square in decibel below full scale, such as -20; as far as it can
            be without clipping. As recorded when left out.
        noise_snr_db: Signal-to-noise ratio in dB of white noise added once at
            ingest; none when left out.
        speeds: Factors, such as [0.9, 1.1], at which each training sample is
            stored once more, played slower or faster; pitch moves along.
        pitch_semitones: Semitones, such as [-2, 2], by which each training
            sample is stored once more, lower or higher at the same pace.
    """

    kind: Literal["audio"]
    column: Column
    sample_rate_hz: Annotated[int, Field(ge=1_000, le=384_000)]
    duration_sec: Annotated[float, Field(gt=0, le=600)]
    crop: Literal["start", "center"] = "start"
    silence: Literal["refuse", "keep"] = "refuse"
    trim_db: Annotated[float, Field(gt=0, le=120)] | None = None
    loudness_dbfs: Annotated[float, Field(ge=-60, le=0)] | None = None
    noise_snr_db: Annotated[float, Field(ge=-60, le=120)] | None = None
    speeds: Annotated[
        tuple[Annotated[float, Field(ge=0.5, le=2)], ...],
        Field(strict=False, max_length=8),
    ] = ()
    pitch_semitones: Annotated[
        tuple[Annotated[float, Field(ge=-12, le=12)], ...],
        Field(strict=False, max_length=8),
    ] = ()
    stored: ClassVar[Stored] = Stored("<i2", scale=1 / FULL_SCALE)
    augmentations: ClassVar[Mapping[str, Augmentation]] = {
        "shift_sec": Augmentation(
            0.1, 0, 600, "seconds, earlier or later; silence moves in"
        ),
        "gain_db": Augmentation(6, 0, 60, "decibel, softer or louder"),
        "noise_snr_db": Augmentation(
            0,
            0,
            120,
            "decibel, ratio to white noise at its loudest",
            is_ratio_db=True,
        ),
        "time_shift": Augmentation(
            0,
            0,
            1,
            "fraction of the duration, earlier or later; silence moves in",
            shared=True,
            moves_time=True,
        ),
        "time_crop": Augmentation(
            0,
            0,
            0.9,
            "fraction of the duration that is left out at most; what is kept "
            "comes first, silence after it",
            shared=True,
            moves_time=True,
        ),
        "reverb_sec": Augmentation(
            0, 0, 10, "seconds until echoes are 60 dB softer, at most"
        ),
        "variant_share": Augmentation(
            0,
            0,
            1,
            "fraction of samples that are replaced by one of those that "
            "`speeds` and `pitch_semitones` of the spec stored beside them",
            moves_time=True,
            of_variants=True,
        ),
        "impulse_share": Augmentation(
            0, 0, 1, "fraction of samples that sound as in one of `impulses`"
        ),
        "impulses": AugmentationFile(
            "WAV file, or folder of them: impulse responses of rooms, of "
            "which `impulse_share` takes one a sample"
        ),
    }
    mixed_axes: ClassVar[tuple[int, ...] | None] = (0,)
    example: ClassVar[str] = "SOUND.wav"
    device_uses: ClassVar[tuple[str, ...]] = ("devices.py",)
    device_keys: ClassVar[tuple[str, ...]] = (
        "sample_rate_hz",
        "duration_sec",
        "crop",
        "silence",
        "trim_db",
        "loudness_dbfs",
    )
    free_keys: ClassVar[tuple[str, ...]] = (
        *Modality.free_keys,
        "duration_sec",
        "crop",
        "silence",
        "noise_snr_db",
        "speeds",
        "pitch_semitones",
    )

    @pydantic.field_validator("speeds", "pitch_semitones")
    @classmethod
    def _changed(cls, values: tuple, info: Any) -> tuple:
        same = 1 if info.field_name == "speeds" else 0
        if same in values or len({*values}) < len(values):
            raise ValueError(
                f"`{info.field_name}` must differ from each other and from "
                f"{same}, the sample itself. Received: {list(values)}"
            )
        return values

    @property
    def variant_names(self) -> tuple[str, ...]:
        """The sample slower or faster, lower or higher."""
        return (
            *(f"speed {factor:g}" for factor in self.speeds),
            *(f"pitch {steps:+g}" for steps in self.pitch_semitones),
        )

    @property
    def web(self) -> str | None:
        """What stands for it on the phone's page, which changes no sound."""
        changed = (self.trim_db, self.loudness_dbfs) != (None, None)
        return None if changed else "sound"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (samples,)."""
        return (round(self.sample_rate_hz * self.duration_sec),)

    @property
    def time_steps(self) -> int:
        """Milliseconds of a sample, in whole samples of sound each."""
        return -(-self.shape[0] // (self.sample_rate_hz // 1000))

    def device_entry(self, name: str, folder: Path) -> dict[str, Any]:
        """Adds the length in samples."""
        entry = super().device_entry(name, folder)
        return {**entry, "samples": self.shape[0]}

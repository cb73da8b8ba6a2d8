"""Films, as some of their frames."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.modality import Augmentation, Modality, Side
from mmkeras.spec.registry import register_modality
from mmkeras.spec.sizes import check_size
from mmkeras.spec.tables import Column


@register_modality
class Video(Modality):
    """A film, as some of its frames: MP4, MOV, 3GP, MKV, WebM, AVI, MPEG,
    TS, WMV, FLV or Ogg.

    Args:
        kind: "video".
        column: Manifest column with the path.
        optional: Whether a sample may lack it.
        height: Height in pixels.
        width: Width in pixels.
        channels: 1 for grey, 3 for RGB.
        frames: Frames of a sample.
        sampling: "uniform" takes the middle of `frames` equal parts of the
            film; "start" and "center" take `frame_rate_hz` frames a second
            from its start or around its middle, and repeat the last frame
            where the film is too short.
        frame_rate_hz: With "start" and "center": frames taken a second.
        min_decoded: Share of the frames that a file promises, of which fewer
            decode in no film that is used.
        resize: What happens to a frame of another size: "stretch", "crop"
            (keep the shape, cut the centre), "pad" (keep the shape, fill with
            black) or "refuse" (quarantine the film).
    """

    kind: Literal["video"]
    column: Column
    height: Side
    width: Side
    channels: Literal[1, 3] = 3
    frames: Annotated[int, Field(gt=0, le=4096)]
    sampling: Literal["uniform", "start", "center"] = "uniform"
    frame_rate_hz: Annotated[float, Field(gt=0, le=1000)] | None = None
    min_decoded: Annotated[float, Field(ge=0, le=1)] = 0.75
    resize: Literal["stretch", "crop", "pad", "refuse"] = "stretch"
    dtype: ClassVar[str] = "uint8"
    statistics_unit: ClassVar[float] = 255.0
    augmentations: ClassVar[Mapping[str, Augmentation]] = {
        "horizontal_flip": Augmentation(
            0,
            0,
            1,
            "1: half of the films",
            shared=True,
            moves_space="followed",
        ),
        "time_shift": Augmentation(
            0,
            0,
            1,
            "fraction of the duration, earlier or later; the first or last "
            "frame is repeated",
            shared=True,
            moves_time=True,
        ),
        "time_crop": Augmentation(
            0,
            0,
            0.9,
            "fraction of the duration that is left out at most; what is kept "
            "comes first, its last frame is repeated",
            shared=True,
            moves_time=True,
        ),
    }
    mixed_axes: ClassVar[tuple[int, ...] | None] = (1, 2)
    example: ClassVar[str] = "FRAMES"
    device_uses: ClassVar[tuple[str, ...]] = ("picture.py",)
    device_shares: ClassVar[tuple[str, ...]] = (
        "mmkeras.data.files.geometry",
        "mmkeras.data.files.jpeg",
    )
    free_keys: ClassVar[tuple[str, ...]] = (
        *Modality.free_keys,
        "min_decoded",
    )
    device_keys: ClassVar[tuple[str, ...]] = (
        "frames",
        "height",
        "width",
        "channels",
        "sampling",
        "frame_rate_hz",
    )

    @pydantic.model_validator(mode="after")
    def _rule(self) -> "Video":
        if (self.sampling == "uniform") != (self.frame_rate_hz is None):
            raise ValueError(
                '`frame_rate_hz` must be given with `sampling` "start" or '
                '"center", and only there. Received: '
                f"sampling={self.sampling!r}, "
                f"frame_rate_hz={self.frame_rate_hz}"
            )
        return check_size(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (frames, height, width, channels)."""
        return (self.frames, self.height, self.width, self.channels)

    @property
    def time_steps(self) -> int:
        """Frames of a sample."""
        return self.frames

    @property
    def seconds(self) -> float | None:
        """Duration of a sample; None where a sample is the whole film."""
        rate = self.frame_rate_hz
        return None if rate is None else self.frames / rate

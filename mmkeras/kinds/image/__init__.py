"""Pictures."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.modality import Augmentation, Modality
from mmkeras.spec.registry import register_modality
from mmkeras.spec.tables import Column

Pixels = Annotated[int, Field(gt=0, le=8192)]
Unit = Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000)]
Ends = tuple[Unit, Unit]


@register_modality
class Image(Modality):
    """A picture, read as `(height, width, channels)` uint8.

    PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF, JPEG 2000, PPM; HEIC and DICOM with
    extras. What a file holds decides, not its name.

    Args:
        kind: "image".
        column: Manifest column with the path.
        optional: Whether a sample may lack it.
        height: Height in pixels.
        width: Width in pixels.
        channels: 1 for grey, 3 for RGB.
        resize: What happens to a picture of another size: "stretch", "crop"
            (keep the shape, cut the centre), "pad" (keep the shape, fill with
            black) or "refuse" (quarantine it).
        range: Values that become black and white, as [low, high], of grey
            pictures of more than 8 bits: [0, 4095] where a 16-bit PNG holds
            12 bits. All values that 16 bits can have when left out.
        window_low: Value, in the units of the file, that becomes black in a
            DICOM picture.
        window_high: Value that becomes white there. The window in the file
            when both are left out, or else from its least to its largest
            value.
        noise_std: Deviation of the Gaussian noise added once at ingest, as a
            fraction of full scale; it makes a benchmark harder.
    """

    kind: Literal["image"]
    column: Column
    height: Pixels
    width: Pixels
    channels: Literal[1, 3] = 3
    resize: Literal["stretch", "crop", "pad", "refuse"] = "stretch"
    range: Annotated[Ends, Field(strict=False)] | None = None
    window_low: Unit | None = None
    window_high: Unit | None = None
    noise_std: Annotated[float, Field(ge=0, le=10)] = 0.0
    dtype: ClassVar[str] = "uint8"
    statistics_unit: ClassVar[float] = 255.0
    augmentations: ClassVar[Mapping[str, Augmentation]] = {
        "translation": Augmentation(
            0.1,
            0,
            1,
            "fraction of height and width",
            shared=True,
            moves_space="followed",
        ),
        "rotation_degrees": Augmentation(
            10,
            0,
            180,
            "degrees, either way",
            shared=True,
            moves_space="followed",
        ),
        "zoom": Augmentation(
            0.1,
            0,
            0.9,
            "fraction of the size, in or out",
            shared=True,
            moves_space="followed",
        ),
        "contrast": Augmentation(0.1, 0, 1, "fraction, more or less"),
        "brightness": Augmentation(0.1, 0, 1, "fraction of full scale"),
        "horizontal_flip": Augmentation(
            0,
            0,
            1,
            "1: half of the pictures",
            shared=True,
            moves_space="followed",
        ),
        "crop": Augmentation(
            0,
            0,
            0.9,
            "fraction of each side that is left out at most; what is kept, "
            "anywhere in the picture, is scaled to its size",
            shared=True,
            moves_space="followed",
        ),
        "saturation": Augmentation(0, 0, 1, "fraction, more or less"),
        "hue_degrees": Augmentation(
            0, 0, 180, "degrees of the circle of colours, either way"
        ),
        "rand_augment": Augmentation(
            0,
            0,
            1,
            "strength of two operations of RandAugment",
            moves_space="alone",
        ),
        "noise_std": Augmentation(
            0, 0, 1, "deviation of Gaussian noise at most, of full scale"
        ),
    }
    has_pixels: ClassVar[bool] = True
    mixed_axes: ClassVar[tuple[int, ...] | None] = (0, 1)
    example: ClassVar[str] = "IMAGE.png"
    device_uses: ClassVar[tuple[str, ...]] = ("picture.py", "devices.py")
    device_shares: ClassVar[tuple[str, ...]] = (
        "mmkeras.data.files.geometry",
        "mmkeras.data.files.jpeg",
    )
    device_keys: ClassVar[tuple[str, ...]] = (
        "height",
        "width",
        "channels",
        "resize",
    )
    web: ClassVar[str] = "picture"

    @pydantic.model_validator(mode="after")
    def _ranges(self) -> "Image":
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError(
                f"`range` must be [low, high]. Received: {list(self.range)}"
            )
        window = self.window_low, self.window_high
        if window != (None, None) and (
            None in window or window[0] >= window[1]
        ):
            raise ValueError(
                "`window_low` must be below `window_high`, and both be given "
                f"or none. Received: {window[0]}, {window[1]}"
            )
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (height, width, channels)."""
        return (self.height, self.width, self.channels)

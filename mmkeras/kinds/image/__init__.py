"""Pictures."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mmkeras.spec.modality import Augmentation, Modality
from mmkeras.spec.registry import register_modality
from mmkeras.spec.tables import Column

Pixels = Annotated[int, Field(gt=0, le=8192)]


@register_modality
class Image(Modality):
    """A picture: PNG or JPEG, read as `(height, width, channels)` uint8.

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
        noise_std: Deviation of the Gaussian noise added once at ingest, as a
            fraction of full scale; it makes a benchmark harder.
    """

    kind: Literal["image"]
    column: Column
    height: Pixels
    width: Pixels
    channels: Literal[1, 3] = 3
    resize: Literal["stretch", "crop", "pad", "refuse"] = "stretch"
    noise_std: Annotated[float, Field(ge=0, le=10)] = 0.0
    dtype: ClassVar[str] = "uint8"
    augmentations: ClassVar[Mapping[str, Augmentation]] = {
        "translation": Augmentation(0.1, 0, 1, "fraction of height and width"),
        "rotation_degrees": Augmentation(10, 0, 180, "degrees, either way"),
        "zoom": Augmentation(0.1, 0, 0.9, "fraction of the size, in or out"),
        "contrast": Augmentation(0.1, 0, 1, "fraction, more or less"),
        "brightness": Augmentation(0.1, 0, 1, "fraction of full scale"),
        "horizontal_flip": Augmentation(0, 0, 1, "1: half of the pictures"),
    }
    example: ClassVar[str] = "IMAGE.png"
    device_uses: ClassVar[tuple[str, ...]] = ("picture.py", "devices.py")
    device_keys: ClassVar[tuple[str, ...]] = ("height", "width", "channels")
    web: ClassVar[str] = "picture"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (height, width, channels)."""
        return (self.height, self.width, self.channels)

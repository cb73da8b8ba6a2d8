"""The tower of CT and MRI volumes."""

from mmkeras.towers import VOLUME_TOWERS, volume_tower

OPTIONS = VOLUME_TOWERS


def build(volume, name, facts, options):
    return volume_tower(
        *volume.shape,
        name,
        window_low=volume.window_low,
        window_high=volume.window_high,
        skips=facts.get("skips", False),
        **options.arguments(),
    )

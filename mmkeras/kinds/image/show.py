"""An image in a report."""

from mmkeras.reporting import picture


def show(modality, pixels, learned) -> dict[str, str]:
    return {"picture": picture(pixels)}

"""A clip in a report."""

from mmkeras.reporting import film_strip


def show(modality, frames, learned) -> dict[str, str]:
    return {"picture": film_strip(frames)}

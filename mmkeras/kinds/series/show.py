"""Sensor data in a report."""

from mmkeras.reporting import MAX_LINES, lines


def show(modality, steps, learned) -> dict[str, str]:
    names = ", ".join(modality.channels[:MAX_LINES])
    return {"drawing": lines(steps), "text": names}

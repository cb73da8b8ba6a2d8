"""A recording in a report."""

from mmkeras.reporting import waveform


def show(modality, sound, learned) -> dict[str, str]:
    seconds = len(sound) / modality.sample_rate_hz
    return {"drawing": waveform(sound), "text": f"{seconds:.2g} s"}

"""The tower of sounds."""

from mmkeras.towers import AUDIO_TOWERS, audio_tower

OPTIONS = AUDIO_TOWERS


def build(audio, name, facts, options):
    given = options.arguments()
    return audio_tower(*audio.shape, audio.sample_rate_hz, name, **given)

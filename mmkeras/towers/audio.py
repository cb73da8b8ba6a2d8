"""Audio towers: raw samples in, one vector and one row per stretch of time out.

The log-mel spectrogram is a layer, so that training and the device share it.
"""

from typing import Any

import keras

from mmkeras.arguments import check_positive
from mmkeras.options import Part, Variants
from mmkeras.towers import audio_blocks as blocks
from mmkeras.towers.audio_hub import (
    AudioMoonshine,
    AudioWhisper,
    moonshine,
    whisper,
)
from mmkeras.towers.mean_pooled import finish_tower
from mmkeras.towers.wavenet import AudioWaveNet, wavenet

AUDIO_TOWERS = Variants(
    "variant",
    "cnn",
    {
        "cnn": Part(blocks.AudioCnn, blocks.convolutions),
        "gru": Part(blocks.AudioRecurrent, blocks.recurrence),
        "lstm": Part(blocks.AudioRecurrent, blocks.recurrence),
        "resnet": Part(blocks.AudioResNet, blocks.residual),
        "wavenet": Part(AudioWaveNet, wavenet),
        "whisper": Part(AudioWhisper, whisper),
        "moonshine": Part(AudioMoonshine, moonshine),
    },
)


def audio_tower(
    samples: int,
    sample_rate_hz: int,
    name: str = "audio",
    variant: str = "cnn",
    **options: Any,
) -> keras.Model:
    """Builds a tower that reads one stretch of sound.

    The log-mel spectrogram and its normalisation (a batch normalisation of
    each band: no statistics are needed) are layers inside. The vector is the
    mean of the tokens, one for each step that is left of time.

    | variant | what it is | good for |
    | --- | --- | --- |
    | `"cnn"` | convolutions along time | the first to try; fast in int8 |
    | `"gru"`, `"lstm"` | recurrent | order over seconds; can stream |
    | `"resnet"` | over time and frequency | patterns that move in frequency |
    | `"wavenet"` | gated, dilated, causal | fine timing; looks back only |
    | `"whisper"`, `"moonshine"` | of keras_hub | speech, with a preset |

    Args:
        samples: Samples of a stretch.
        sample_rate_hz: Samples a second.
        name: Name of the modality, and of the input.
        variant: One of the table above.
        options: Those of the variant: `units` (64), `dropout` (0.3), and what
            `AudioCnn`, `AudioRecurrent`, `AudioResNet`, `AudioWaveNet`,
            `AudioWhisper` or `AudioMoonshine` have.

    Returns:
        Model from float32 `(batch, samples)` in [-1, 1] to
        `{"vector": (batch, units), "tokens": (batch, steps, units),
        "mask": (batch, steps)}`; the mask is all ones.

    Raises:
        ValueError: If the variant lacks an option, or a value is wrong.

    Example:

    >>> tower = audio_tower(8000, 8000)
    >>> tower(np.zeros((2, 8000), "float32"))["tokens"].shape
    TensorShape([2, 6, 64])
    """
    chosen = AUDIO_TOWERS.read({"variant": variant, **options})
    check_positive(samples=samples, sample_rate_hz=sample_rate_hz)
    sound = keras.Input((samples,), dtype="float32", name=name)
    x = AUDIO_TOWERS.build(chosen)(sound, sample_rate_hz, chosen, name)
    return finish_tower(sound, x, chosen.units, chosen.dropout, name)

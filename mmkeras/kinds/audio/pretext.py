"""How towers of sound learn without labels."""

from mmkeras.training.pretext import (
    SoundViews,
    Spectrum,
    Unsupervised,
    standardised,
)


def field(tower, sound):
    """Frames of the tower's own log-mel layer, or a spectrum a token."""
    for layer in tower.layers:
        if hasattr(layer, "mel_bands"):
            return standardised(layer(sound))
    tokens = tower.output["tokens"].shape[1]
    return standardised(Spectrum(tokens)(sound))


PRETEXT = Unsupervised(
    views=SoundViews,
    fraction=0.5,
    field=field,
    # Silence and loudness would be most of what there is to tell.
    even_patches=True,
    ordered=True,
    # A row of floats with a token a column, or one in all, is of numbers.
    recognises=lambda shape, dtype, tokens: (
        len(shape) == 1 and "int" not in dtype and tokens not in (1, *shape)
    ),
)

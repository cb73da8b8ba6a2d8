"""How towers of texts learn without labels."""

from mmkeras.training.pretext import TextViews, Unsupervised

PRETEXT = Unsupervised(
    views=TextViews,
    fraction=0.15,
    field=None,
    ordered=True,
    recognises=lambda shape, dtype, tokens: len(shape) == 1 and "int" in dtype,
)

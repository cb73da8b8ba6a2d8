"""The head for masks."""

from mmkeras import heads

OPTIONS = heads.MaskOptions


def head(mask, facts, options):
    return heads.Mask(
        size=mask.shape,
        classes=len(mask.classes),
        modality=mask.modality,
        weight=mask.weight,
        **options.arguments(),
    )

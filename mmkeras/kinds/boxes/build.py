"""The head for boxes."""

from mmkeras import heads

OPTIONS = heads.BoxesOptions


def head(boxes, facts, options):
    return heads.Boxes(
        classes=len(boxes.classes),
        modality=boxes.modality,
        weight=boxes.weight,
        **options.arguments(),
    )

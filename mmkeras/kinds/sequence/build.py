"""The head for a class of each step."""

from mmkeras import heads
from mmkeras.kinds.category.build import arguments

OPTIONS = heads.SequenceOptions


def head(sequence, facts, options):
    return heads.Sequence(
        steps=sequence.steps,
        modality=sequence.modality,
        **arguments(sequence, facts, options),
    )

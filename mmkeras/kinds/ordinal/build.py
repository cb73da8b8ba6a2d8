"""The head for classes that have an order."""

from mmkeras import heads
from mmkeras.kinds.category.build import arguments

OPTIONS = heads.OrdinalOptions


def head(ordinal, facts, options):
    return heads.Ordinal(**arguments(ordinal, facts, options))

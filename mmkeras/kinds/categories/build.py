"""The head for any number of classes."""

from mmkeras import heads
from mmkeras.kinds.category.build import arguments

OPTIONS = heads.CategoriesOptions


def head(categories, facts, options):
    return heads.Categories(**arguments(categories, facts, options))

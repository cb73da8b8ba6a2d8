"""The head for a number."""

from mmkeras import heads

OPTIONS = heads.NumberOptions


def head(number, facts, options):
    return heads.Number(
        mean=facts.get("mean", 0.0),
        # A constant has no deviation to divide by.
        std=facts.get("std", 1.0) or 1.0,
        weight=number.weight,
        **options.arguments(),
    )

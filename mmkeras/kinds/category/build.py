"""The head for one class of several."""

from mmkeras import heads

OPTIONS = heads.CategoryOptions


def head(category, facts, options):
    return heads.Category(**arguments(category, facts, options))


def arguments(target, facts, options):
    """Returns what every head for classes takes.

    Of a recipe, `class_weights = "balanced"` becomes numbers here.
    """
    given = options.arguments()
    if given.get("class_weights") == "balanced" and "counts" in facts:
        counts = [facts["counts"][name] for name in target.classes]
        given["class_weights"] = heads.balanced(counts)
    return {
        "classes": len(target.classes),
        "weight": target.weight,
        **given,
    }

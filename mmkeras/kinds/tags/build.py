"""The head for tags of tokens."""

from mmkeras import heads

OPTIONS = heads.TagsOptions


def head(tags, facts, options):
    given = options.arguments()
    if given.get("class_weights") == "balanced" and "tokens" in facts:
        given["class_weights"] = heads.balanced(facts["tokens"])
    return heads.Tags(
        classes=tags.outputs,
        steps=tags.tokens,
        modality=tags.modality,
        weight=tags.weight,
        **given,
    )

"""The head for tags of tokens."""

from mmkeras import heads

OPTIONS = heads.TagsOptions


def head(tags, facts, options):
    return heads.Tags(
        classes=tags.outputs,
        steps=tags.tokens,
        modality=tags.modality,
        weight=tags.weight,
        **options.arguments(),
    )

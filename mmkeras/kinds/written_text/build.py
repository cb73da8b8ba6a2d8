"""The head for a text that the model writes."""

from mmkeras import heads

OPTIONS = heads.WrittenTextOptions


def head(target, facts, options):
    return heads.WrittenText(
        letters=facts.get("letters", ""),
        length=target.tokens,
        text_size=target.text_size,
        references=target.references,
        prompt=target.prompt,
        weight=target.weight,
        **options.arguments(),
    )

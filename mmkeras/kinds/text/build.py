"""The tower of texts."""

from mmkeras.towers import TEXT_TOWERS, text_tower

OPTIONS = TEXT_TOWERS


def build(text, name, facts, options):
    if getattr(options, "pretrained", None):
        _check_tokens(text, name, options.variant)
    size = facts.get("vocabulary_size", text.vocabulary_size)
    words = getattr(options, "word_vectors", None) and "tokenizer" in facts
    return text_tower(
        text.max_tokens,
        size,
        name,
        tokenizer=facts["tokenizer"]()
        if words and "tokenizer" in facts
        else None,
        **options.arguments(),
    )


def _check_tokens(text, name, variant):
    """Raises ValueError for a preset that would read another's token ids."""
    own = "roberta" if variant == "roberta" else "bert"
    if text.tokenizer != own:
        raise ValueError(
            f"`towers.{name}.pretrained` needs `tokenizer = {own!r}` in the "
            "data spec, the ids that the preset was trained with. Received: "
            f"tokenizer={text.tokenizer!r} with variant={variant!r}"
        )

"""The head for retrieval."""

from mmkeras import heads

OPTIONS = heads.EmbeddingOptions


def head(embedding, facts, options):
    return heads.Embedding(weight=embedding.weight, **options.arguments())

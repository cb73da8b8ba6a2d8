"""Retrieval: embeddings of samples, and their nearest neighbours."""

from mmkeras.studies.retrieval.build import build_index, query
from mmkeras.studies.retrieval.encoder import (
    embed,
    embedding_model,
    open_encoder,
)
from mmkeras.studies.retrieval.index import Index

__all__ = [
    "Index",
    "build_index",
    "embed",
    "embedding_model",
    "open_encoder",
    "query",
]

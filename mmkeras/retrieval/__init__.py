"""Retrieval: embeddings of samples, and who lies nearest to whom."""

from mmkeras.retrieval.build import build_index, query
from mmkeras.retrieval.encoder import embed, embedding_model, open_encoder
from mmkeras.retrieval.index import Index

__all__ = [
    "Index",
    "build_index",
    "embed",
    "embedding_model",
    "open_encoder",
    "query",
]

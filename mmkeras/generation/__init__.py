"""Texts token by token, with NumPy alone: for Keras and for the device.

How the next token is chosen is one file, how a decoder is run another. They
do not import each other, since each travels to the device by itself.
"""

from mmkeras.generation.answers import HALF, answers_of, code_of
from mmkeras.generation.decoding import (
    FIRST,
    HIDDEN,
    KEY,
    START,
    UNKNOWN,
    VALUE,
    Decoder,
    decoder_of,
    generate,
    log_softmax,
    unpack,
)
from mmkeras.generation.sampling import GREEDY, LIMITS, Sampling

__all__ = [
    "FIRST",
    "GREEDY",
    "HALF",
    "HIDDEN",
    "KEY",
    "LIMITS",
    "START",
    "UNKNOWN",
    "VALUE",
    "Decoder",
    "Sampling",
    "answers_of",
    "code_of",
    "decoder_of",
    "generate",
    "log_softmax",
    "unpack",
]

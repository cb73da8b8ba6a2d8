"""Texts token by token, with NumPy alone: for Keras and for the device.

How the next token is chosen is one file, how a decoder is run another. They
do not import each other, since each travels to the device by itself.
"""

from mmkeras.generation.answers import answers_of
from mmkeras.generation.decoding import (
    FIRST,
    HIDDEN,
    KEY,
    UNKNOWN,
    VALUE,
    Decoder,
    decoder_of,
    generate,
)
from mmkeras.generation.sampling import GREEDY, LIMITS, Sampling

__all__ = [
    "FIRST",
    "GREEDY",
    "HIDDEN",
    "KEY",
    "LIMITS",
    "UNKNOWN",
    "VALUE",
    "Decoder",
    "Sampling",
    "answers_of",
    "decoder_of",
    "generate",
]

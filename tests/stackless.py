"""Graphs that are built without noting where in the code.

TensorFlow keeps the stack of Python for every operation of a graph, for the
errors that it raises when the graph runs. Under pytest stacks are deep, and
this took a fifth of a toy's training. Operations that TensorFlow itself makes
have none either. `STACKS=1 pytest ...` keeps them.
"""

import inspect
import os


def forget_stacks() -> None:
    """Lets an operation be made without its stack, unless it is asked for."""
    if os.environ.get("STACKS") == "1":
        return
    from tensorflow.python.framework import ops

    make = inspect.unwrap(ops._create_c_op)
    op_def, extract_traceback = make.__defaults__
    assert (op_def, extract_traceback) == (None, True)
    make.__defaults__ = (None, False)

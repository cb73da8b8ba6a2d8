"""The process that converts: a converter can crash, and this one with it.

A request tells what to do, and the result is written to a file. Each step is
announced on standard output, so that the parent can say where the process
ended. It takes one request after another, since TensorFlow takes longer to
import than most requests take to answer.
"""

import gc
import json
import sys
import tempfile
from pathlib import Path

from mmkeras.escaping import say
from mmkeras.export.worker.messages import (
    AnyRequest,
    Refusal,
    receive,
    send,
)
from mmkeras.export.worker.tasks import TASKS

ANSWERED = "answered"


def main(debug: str = "") -> int:
    """Answers a request for each line of standard input; returns 0.

    A line is JSON: the file of a request, and the file of its result.

    Args:
        debug: Anything, to show the traceback of a refusal.
    """
    for line in sys.stdin:
        request, result = json.loads(line)
        # In the parent's folder: it clears up where this process is ended.
        tempfile.tempdir = str(Path(request).parent)
        answer_request(request, result, debug)
        # What a model needed is not kept for the next request.
        gc.collect()
        say(ANSWERED)
    return 0


def answer_request(request: str, result: str, debug: str = "") -> None:
    """Does what is requested.

    Args:
        request: File of the request.
        result: File to write the result to, or a refusal.
        debug: Anything, to show the traceback of a refusal.
    """
    asked = receive(Path(request), AnyRequest)
    try:
        found = TASKS[type(asked)](asked)
    except (ValueError, OSError) as error:
        if debug:
            raise
        found = Refusal(str(error))
    send(Path(result), found)

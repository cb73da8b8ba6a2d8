"""The process that converts: a converter can crash, and this one with it.

The request tells what to do, and the result is written to a file. Each step
is announced on standard output, so that the parent can say where the process
ended.
"""

from pathlib import Path

from mmkeras.export.worker.messages import (
    AnyRequest,
    Refusal,
    receive,
    send,
)
from mmkeras.export.worker.tasks import TASKS


def main(request: str, result: str, debug: str = "") -> int:
    """Does what is requested; returns the exit code.

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
    return 0

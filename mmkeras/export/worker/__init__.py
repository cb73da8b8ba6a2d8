"""What runs in another process, since a converter can crash."""

from mmkeras.front_doors import front_door

_HOME = {
    "Answers": "messages",
    "AnyRequest": "messages",
    "Children": "process",
    "Convert": "messages",
    "Converted": "messages",
    "Departure": "messages",
    "FindDeparture": "messages",
    "Isolated": "isolated",
    "LabelledFiles": "messages",
    "LayerErrors": "messages",
    "MeasureLayers": "messages",
    "Quantize": "messages",
    "Refusal": "messages",
    "Request": "messages",
    "TASKS": "tasks",
    "answer_request": "child",
    "load_arrays": "messages:load",
    "measure_layers": "tasks",
    "prove": "isolated",
    "receive": "messages",
    "run_child": "process",
    "save_arrays": "messages:save",
    "send": "messages",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)

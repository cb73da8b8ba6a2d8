"""Answers without end: a microphone, a camera, a long recording, lines.

    python run.py --microphone --camera
    python run.py --audio long.wav --window --hop-sec 0.5
    python run.py --audio long.wav --listen
    python run.py --stdin < requests.jsonl

`command.py` imports this file when it is asked for one of these. Each answer
is a
line of JSON: `time_sec` (where the sound ends, or since the start),
`latency_ms` (of the model), `answer`, and `absent`, the modalities that were
not there. Modalities given as options hold for every line.

A line of standard input is an object by modality: a path, a text or an array;
null is absent. One that is refused is answered with `error`, whatever is wrong
with it, and the next one is read.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

HOP_SEC = 0.5


def answers(runner, given: dict) -> Iterator[dict]:
    """Yields the lines that the options ask for.

    Args:
        runner: A `Runner`.
        given: The options of `run.py` by name, those of modalities as well.
    """
    given, recording = dict(given), None
    if given.get("listen"):
        yield from streamed(runner, given)
        return
    if given["window"]:
        name = only(runner, "window")
        recording, given[name] = given[name], None
    fixed = {name: runner.read(name, given[name]) for name in runner.inputs
             if given[name] is not None}  # fmt: skip
    with contextlib.ExitStack() as stack:
        camera = open_camera(runner, given, fixed, stack)
        source = open_source(runner, given, fixed, recording, stack)
        for count, (line, row) in enumerate(source, 1):
            try:
                row = {**fixed, **(row() if callable(row) else row), **camera()}
                line |= answered(runner, row)
            # A stranger's line may be wrong in a way that nobody thought of.
            except Exception as error:
                if not given["stdin"]:
                    raise
                line["error"] = spelled(error)
            yield line
            if count == given["count"]:
                return


def spelled(error: Exception) -> str:
    """Returns what is wrong; of an error that is none of ours, its kind."""
    if isinstance(error, (ValueError, OSError)):
        return str(error)
    return f"{type(error).__name__}: {error}"


def answered(runner, row: dict) -> dict:
    """Returns what is known of one sample once the model has run."""
    row = {name: value for name, value in row.items() if value is not None}
    start = time.perf_counter()
    answer = runner.answer(row)
    spent_ms = round((time.perf_counter() - start) * 1000, 3)
    absent = [name for name in runner.inputs if name not in row]
    return {"latency_ms": spent_ms, "answer": answer, "absent": absent}


def open_source(runner, given, fixed, recording, stack) -> Iterator:
    """Opens what was asked for: it yields a line's beginning and a row."""
    kinds = ("stdin", "window", "microphone")
    asked = [kind for kind in kinds if given[kind]]
    if len(asked) > 1:
        both = " and ".join(f"--{kind}" for kind in asked)
        raise ValueError(
            f"The lines must come from one place. Received: {both}"
        )
    hop_sec = given["hop_sec"]
    if hop_sec is not None and not 0.01 <= hop_sec <= 3600:
        raise ValueError(
            f"`--hop-sec` must be 0.01 to 3600 seconds. Received: {hop_sec}"
        )
    if given["stdin"]:
        from lines import requests

        return requests(runner, sys.stdin.buffer)
    if not asked:
        return ticks(hop_sec or HOP_SEC)
    name = only(runner, asked[0], fixed)
    entry = runner.inputs[name]
    hop_sec = hop_sec or entry["shape"][0] / entry["sample_rate_hz"] / 2
    if given["window"]:
        return windows(runner, name, recording, hop_sec)
    from devices import microphone

    stream = stack.enter_context(microphone(entry))
    heard = listen(stream, name, entry, hop_sec)
    level = runner.readers[name].level
    return ((line, {name: level(row[name], entry)}) for line, row in heard)


def open_camera(runner, given, fixed, stack) -> Callable[[], dict]:
    """Returns what takes a picture, or nothing if no camera was asked for."""
    if not given["camera"]:
        return dict
    name = only(runner, "camera", fixed)
    from devices import Camera

    camera = Camera(runner.inputs[name]["shape"])
    stack.enter_context(contextlib.closing(camera))
    return lambda: {name: camera.picture()}


def only(runner, option: str, fixed=()) -> str:
    """Returns the one modality of an option, which nothing else may give."""
    names = runner.takes(option)
    if len(names) != 1:
        raise ValueError(
            f"`--{option}` needs a bundle with one input that it is for. "
            f"Received: {names}"
        )
    if names[0] in fixed:
        raise ValueError(
            f"`{names[0]}` must come from one place. Received: --{option} "
            f"and --{names[0]}"
        )
    return names[0]


def ticks(hop_sec: float) -> Iterator[tuple[dict, dict]]:
    """Yields now and every `hop_sec` seconds; what is missed is missed."""
    start = time.monotonic()
    while True:
        yield {"time_sec": round(time.monotonic() - start, 3)}, {}
        time.sleep(hop_sec - (time.monotonic() - start) % hop_sec)


def streamed(runner, given: dict) -> Iterator[dict]:
    """Yields the answer so far, while a recording is read step by step."""
    others = [key for key in ("stdin", "window", "microphone", "camera")
              if given[key]]  # fmt: skip
    if others:
        raise ValueError(
            "The lines must come from one place. Received: --listen and "
            f"--{others[0]}"
        )
    streams = runner.manifest.get("streams", {})
    names = [name for name in runner.takes("window") if name in streams]
    if len(names) != 1 or given[names[0]] is None:
        raise ValueError(
            "`--listen` must have a recording, --NAME FILE.wav, of an input "
            f"that the manifest lists under `streams`. Received: {names}"
        )
    name, path = names[0], given[names[0]]
    rows = {key: runner.read(key, given[key]) for key in runner.inputs
            if given[key] is not None and key != name}  # fmt: skip
    listen = runner.stream_answer(name, rows)
    absent = [key for key in runner.inputs if key not in {name, *rows}]
    rate = runner.inputs[name]["sample_rate_hz"]
    hop = round((given["hop_sec"] or HOP_SEC) * rate)
    told, spent_ms = 0, 0.0
    for end, last, part in parts_of(runner, name, path):
        start = time.perf_counter()
        answer = listen(part)
        spent_ms += (time.perf_counter() - start) * 1000
        if not last and end < (told + 1) * hop:
            continue
        told += 1
        yield {
            "time_sec": round(end / rate, 3),
            "latency_ms": round(spent_ms, 3),
            "answer": answer,
            "absent": absent,
        }
        spent_ms = 0.0
        if told == given["count"]:
            return


def parts_of(runner, name: str, path: str) -> Iterator[tuple]:
    """Yields a recording in steps: its end, whether it is the last, samples.

    Silence follows the end of the recording.
    """
    entry, reader = runner.inputs[name], runner.readers[name]
    step = runner.manifest["streams"][name]["step"]
    frames = reader.frames(path, entry)
    block = entry["shape"][0] // step * step
    for start in range(0, frames, block):
        sound = reader.window(path, entry, start)
        for at in range(0, min(block, frames - start), step):
            end = min(start + at + step, frames)
            yield end, end == frames, sound[at : at + step]


def windows(runner, name: str, path: str, hop_sec: float) -> Iterator[tuple]:
    """Yields windows of a recording; silence follows the end of the last."""
    if path is None:
        raise ValueError(
            f"`--window` must have a recording to slide over, --{name} "
            f"FILE.wav. Received: no --{name}"
        )
    entry, reader = runner.inputs[name], runner.readers[name]
    rate, frames = entry["sample_rate_hz"], reader.frames(path, entry)
    for start in range(0, frames, max(1, round(hop_sec * rate))):
        end = min(start + entry["shape"][0], frames)
        window = reader.window(path, entry, start)
        window = reader.level(window, entry, end - start)
        yield {"time_sec": round(end / rate, 3)}, {name: window}
        if end == frames:
            return


def listen(stream, name: str, entry: dict, hop_sec: float) -> Iterator[tuple]:
    """Yields the newest sound of a stream, once there is enough of it."""
    wanted, rate = entry["shape"][0], entry["sample_rate_hz"]
    hop = max(1, round(hop_sec * rate))
    sound, heard = np.zeros(0, np.int16), 0
    while True:
        # A model slower than the hop skips sound; it does not fall behind.
        frames = max(hop if heard else wanted, stream.read_available)
        new, lost = stream.read(frames)
        heard += len(new)
        sound = np.concatenate([sound, new[:, 0]])[-wanted:]
        line = {"time_sec": round(heard / rate, 3)}
        if lost:
            line["lost_sound"] = True
        yield line, {name: sound.astype(np.float32) / 32768}

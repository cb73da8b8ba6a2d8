"""A verified bundle, ready to answer.

What it knows of an input or output is what the manifest says, and what the
file does that the manifest names: its reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from manifest import check_listed, load_readers, read_manifest, understood
from run import HERE
from validation import check_finite, refuse

KERNELS = ("default", "reference")
# The signature that writes a text; of several, with the name of each behind.
DECODE = "decode"


class Runner:
    """A verified bundle, ready to answer.

    Args:
        folder: The bundle; without it, the one that `run.py` lies in.
        threads: Threads of the interpreter.
        kernels: "default", or "reference": slow, and alike on every machine.
        trust: Whether to run readers that lie in `folder` and not beside the
            runner's own files; they are code.

    Example:

    >>> answer = Runner("bundle").predict({"image": image})
    """

    def __init__(
        self,
        folder: str | Path = HERE,
        threads: int = 1,
        kernels: str = "default",
        trust: bool = False,
    ):
        if kernels not in KERNELS:
            refuse("`kernels`", f"one of {KERNELS}", kernels)
        self.folder = Path(folder)
        # How texts are written, unless `answer` is told.
        self.sampling: dict[str, object] = {}
        with understood(self.folder):
            self.manifest = read_manifest(self.folder)
            self.present = self.manifest["present"]
            # A reader is told the name as well, and where the bundle lies.
            self.inputs, self.outputs = [
                {name: {**entry, "name": name, "folder": self.folder}
                 for name, entry in self.manifest[key].items()}
                for key in ("inputs", "outputs")
            ]  # fmt: skip
        self.readers = load_readers(self.folder, self.manifest, trust)
        with understood(self.folder):
            check_listed(self.folder, self.manifest, self._files())
            self._run = self._load(threads, kernels)

    def _files(self) -> list[str]:
        """Returns the files of the bundle that its readers open."""
        return [
            entry[key]
            for name, entry in {**self.inputs, **self.outputs}.items()
            for key in getattr(self.readers[name], "FILES", ())
            if key in entry
        ]

    def _load(self, threads: int, kernels: str) -> Callable:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kinds = OpResolverType.AUTO, OpResolverType.BUILTIN_REF
        model = self.manifest["model"]
        if model["format"] != "tflite":
            refuse("The model's format", "tflite", model["format"])
        path = self.folder / model["file"]
        self._interpreter = Interpreter(
            str(path),
            num_threads=threads,
            experimental_op_resolver_type=kinds[KERNELS.index(kernels)],
        )
        run = self._interpreter.get_signature_runner(model["signature"])
        self._check_signature(run, path)
        return run

    def _check_signature(self, run: Callable, path: Path) -> None:
        expected = {name: (entry["dtype"], [1, *entry["shape"]])
                    for name, entry in self.inputs.items()}  # fmt: skip
        if self.present:
            expected["present"] = ("float32", [1, len(self.present)])
        details = dict(run.get_input_details())
        for name, detail in run.get_output_details().items():
            details[f"output {name}"] = detail
        received = {name: (np.dtype(d["dtype"]).name, d["shape"].tolist())
                    for name, d in details.items()}  # fmt: skip
        for name, entry in self.outputs.items():
            shape = [1, *self.readers[name].shape(entry)]
            _, found = received.get(f"output {name}", (None, []))
            if None in shape and len(found) == len(shape):
                # A size that the model alone knows.
                shape = [
                    a if a is not None else b for a, b in zip(shape, found)
                ]
            expected[f"output {name}"] = ("float32", shape)
        if expected != received:
            refuse(f"The signature of `{path}`", expected, received)

    def read(self, name: str, value: str) -> np.ndarray:
        """Turns a path, a text or comma-separated numbers into an input."""
        return self.readers[name].read(value, self.inputs[name])

    def placed(self, values: dict[str, str]) -> dict[str, object]:
        """Returns where the pixels of inputs came from, by modality.

        Only of those in which an output tells places: a picture is read once
        more for it.

        Args:
            values: Paths by modality, as `read` takes them.
        """
        asked = {entry.get("modality") for name, entry in self.outputs.items()
                 if getattr(self.readers[name], "PLACED", False)}  # fmt: skip
        places = {n: getattr(self.readers[n], "place", None)
                  for n in values if n in asked}  # fmt: skip
        return {n: place(values[n], self.inputs[n])
                for n, place in places.items() if place}  # fmt: skip

    def takes(self, option: str) -> list[str]:
        """Returns the modalities that `--microphone` or its like is for."""
        return [
            name
            for name in self.inputs
            if option in getattr(self.readers[name], "LIVE", ())
        ]

    def predict(self, inputs: dict) -> dict[str, np.ndarray]:
        """Returns the model's raw outputs for one sample.

        Args:
            inputs: Arrays by modality, without a batch axis; one that is left
                out, or None, is absent.
        """
        found = self._run(**self._feed(inputs))
        return {name: value[0] for name, value in found.items()}

    def check(self, inputs: dict) -> None:
        """Raises ValueError for inputs that `predict` would refuse."""
        self._feed(inputs)

    def stream(self, name: str, inputs: dict | None = None) -> Callable:
        """Starts to read the modality `name` one step at a time.

        Args:
            name: A modality that the manifest lists under `streams`.
            inputs: The other modalities, as for `predict`.

        Returns:
            A function from one step, an array of the manifest's `step`
            samples or tokens, to the raw outputs for all steps so far; of an
            output that has steps itself, to those of this step.
        """
        streams = self.manifest.get("streams", {})
        if name not in streams:
            refuse("`name`", f"a streamed modality {sorted(streams)}", name)
        length = streams[name]["step"]
        entry = self.inputs[name]
        needs_whole = getattr(self.readers[name], "needs_whole", None)
        if needs_whole and needs_whole(entry):
            received = "a model that trims or levels the whole sound first"
            refuse(f"`{name}`", "read step by step", received)
        whole = np.zeros(entry["shape"], entry["dtype"])
        feed = self._feed({**(inputs or {}), name: whole})
        run = self._interpreter.get_signature_runner(streams[name]["signature"])
        state = {key: np.zeros(detail["shape"], np.float32)
                 for key, detail in run.get_input_details().items()
                 if key.startswith("state_")}  # fmt: skip

        def step(part: np.ndarray) -> dict[str, np.ndarray]:
            part = np.asarray(part)
            self._check(name, part, [length, *entry["shape"][1:]])
            found = run(**{**feed, name: part[None], **state})
            state.update({key: found.pop(key) for key in state})
            return {key: value[0] for key, value in found.items()}

        return step

    def stream_answer(self, name: str, inputs: dict | None = None) -> Callable:
        """As `stream`, but each step returns the answer for all steps so far.

        A text goes on from step to step: a symbol that one step ends with and
        the next begins with counts once.
        """
        step = self.stream(name, inputs)
        told = {
            key: self._begin(self.readers[key], entry)
            for key, entry in self.outputs.items()
        }

        def listen(part: np.ndarray) -> dict:
            raw = step(part)
            check_outputs(raw)
            return {key: tell(raw[key]) for key, tell in told.items()}

        return listen

    def _begin(self, reader, entry: dict) -> Callable:
        begin = getattr(reader, "begin", None)
        if begin is not None:
            return begin(entry)
        return lambda output: reader.answer(output, entry)

    def _feed(self, inputs: dict) -> dict[str, np.ndarray]:
        given = {k: v for k, v in inputs.items() if v is not None}
        if set(given) - set(self.inputs):
            refuse("The inputs", f"among {list(self.inputs)}", list(given))
        feed = {}
        for name, entry in self.inputs.items():
            if name in given:
                value = np.asarray(given[name])
                self._check(name, value)
            elif entry["optional"]:
                value = np.zeros(entry["shape"], entry["dtype"])
            else:
                refuse(f"`{name}`", "given: it is not optional", "nothing")
            feed[name] = value[None]
        if self.present:
            row = [[float(name in given) for name in self.present]]
            feed["present"] = np.array(row, np.float32)
        return feed

    def _check(
        self, name: str, value: np.ndarray, shape: list[int] | None = None
    ) -> None:
        entry = self.inputs[name]
        expected = f"{entry['dtype']} of shape {shape or entry['shape']}"
        received = f"{value.dtype} of shape {list(value.shape)}"
        if expected != received:
            refuse(f"`{name}`", expected, received)
        getattr(self.readers[name], "check", check_finite)(value, entry)

    def options(self) -> dict[str, Callable]:
        """Returns what can be said of how texts are written, by name."""
        found: dict[str, Callable] = {}
        for name in self.outputs:
            found.update(getattr(self.readers[name], "OPTIONS", {}))
        return found

    def answer(
        self,
        inputs: dict,
        told: Callable | None = None,
        placed: dict | None = None,
        **sampling: object,
    ) -> dict:
        """Returns the answer for one sample as JSON values, by target.

        Args:
            inputs: As for `predict`.
            told: Called with a target and each character that it writes, as
                soon as it is known.
            placed: What `placed` returned: answers that tell places are in
                the pixels of the picture that was given; else in those of
                the model.
            **sampling: How a text is written, such as `temperature=0.7,
                seed=1`; what is left out is as `self.sampling` says.
        """
        raw = self.predict(inputs)
        check_outputs(raw)

        def known(name: str) -> float:
            return self._known(name, inputs.get(name))

        # Asked only by an output that ends where its input does, or that
        # writes a text.
        return {
            name: self.readers[name].answer(
                raw[name],
                {
                    **entry,
                    "known": known,
                    "inputs": self.inputs,
                    "placed": placed or {},
                    "decoder": partial(self._decoder, name),
                    "sampling": {**self.sampling, **sampling},
                    "told": told and partial(told, name),
                },
            )
            for name, entry in self.outputs.items()
        }

    def _decoder(self, name: str) -> tuple[Callable, dict]:
        """Returns what writes the text `name`, and what it takes."""
        known = self._interpreter.get_signature_list()
        key = DECODE if DECODE in known else f"{DECODE}_{name}"
        if key not in known:
            refuse("The model", f"one with a signature `{key}`", list(known))
        run = self._interpreter.get_signature_runner(key)
        return lambda inputs: run(**inputs), run.get_input_details()

    def _known(self, name: str, value: np.ndarray | None) -> float:
        """Returns the share of an input's length before its padding."""
        if value is None:
            return 0.0
        length = getattr(self.readers[name], "length", None)
        return length(np.asarray(value)) / len(value) if length else 1.0

    def samples(self, path: str) -> Iterator[dict[str, np.ndarray]]:
        """Yields the samples of an .npz file: arrays by modality, by row.

        It may hold `present` as well; a modality it lacks is absent. All rows
        are checked before the first one is yielded.
        """
        from samples import read_samples  # slow to import, and needed here

        return read_samples(path, self)


def check_outputs(raw: dict[str, np.ndarray]) -> None:
    """Raises ValueError for outputs that no JSON has a word for."""
    for name, values in raw.items():
        if not np.isfinite(values).all():
            refuse(f"The answer `{name}`", "finite", "NaN or infinity")

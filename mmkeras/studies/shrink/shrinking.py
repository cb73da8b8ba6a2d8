"""From a trained run to a bundle within a budget: the parts put together.

Pruned models and students of a ladder are trained with the run as their
teacher, measured on the validation split, and the best that fits is exported,
verified against the run on the test split.
"""

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras import artefact, compress
from mmkeras import heads as head_kinds
from mmkeras import keras_private as private
from mmkeras.data import Data
from mmkeras.escaping import say
from mmkeras.export import (
    FORMATS,
    Card,
    ConversionContext,
    ProducedFile,
    Profile,
    bundle,
    calibration,
    export,
    guarded,
    latencies_ms,
    misfits,
    open_file,
    prove,
    run_all,
    take,
)
from mmkeras.model import load_model
from mmkeras.runs import (
    SCALES,
    build_from_recipe,
    heads_of,
    open_data,
    recipe_of,
    smaller,
)
from mmkeras.studies.shrink import size_budget as budgets

SEARCH_SAMPLES = 1000


def shrink_run(
    run: Path,
    out: Path,
    budget: budgets.Budget,
    target: Profile | None = None,
    epochs: int = 3,
    data_folder: Path | None = None,
    report: Callable[[str], None] = say,
    **options: Any,
) -> Card:
    """Searches for a model within a budget, and exports the best.

    Writes the bundle `out`, and beside it `<out>.search` with the table and
    the picture of all candidates and the best one's `model.keras`.

    Args:
        run: Folder of the trained run.
        out: Folder of the bundle.
        budget: What the file may cost.
        target: The device it has to fit.
        epochs: Epochs of fine-tuning for each pruned model; a student, which
            starts from nothing, gets four times as many.
        data_folder: Where the data are now, if they have moved.
        report: Takes each line of the report.
        options: Further arguments of `export`.

    Returns:
        The card of the bundle.

    Raises:
        ValueError: If no candidate fits, or the best one loses too much.
    """
    bundle.check_target(Path(out), options.get("force", False))
    artefact.check_out(_folder(out), "search")
    wanted = options.get("quantize", "int8")
    # Four bits a weight cost nothing to try.
    quantize = ("int8", "int4") if wanted == "int8" else (wanted,)
    if "onnx" in options.get("formats", ()):
        quantize = quantize[:1]
    manifest = artefact.read_manifest(run, "run")
    plain = open_data(manifest, data_folder, augment=False)
    for name in plain.spec.written:
        raise ValueError(
            "A search within a budget must have targets that are outputs of "
            f"the model. Received: `{name}` of kind "
            f"'{plain.spec.targets[name].kind}', which is written; give the "
            "decoder fewer `units` or `depth`"
        )
    with artefact.scratch() as folder:
        search = _Search(
            load_model(run), manifest, plain,
            open_data(manifest, data_folder), folder, budget, target,
            epochs,
        )  # fmt: skip
        report("searching on the validation split")
        report(budgets.HEADER)
        found = budgets.search(
            search.save(search.teacher, "as trained"),
            search.prune,
            search.students(),
            search.measure,
            budget,
            quantize,
            report,
        )
        name = target.name if target else None
        kept = {}
        if any(one.fits for one in found):
            kept["model.keras"] = Path(budgets.best(found).model)
        budgets.write_search(_folder(out), found, budget, kept, target=name)
        best = budgets.best(found)
        report(f"best: {best.name}")
        options["quantize"] = best.quantize
        return export(
            best.model,
            plain.spec,
            plain,
            out,
            reference=run,
            target=target,
            report=report,
            **options,
        )


def _folder(out: Path) -> Path:
    return Path(out).with_name(f"{Path(out).name}.search")


class _Search:
    """Trains candidates, and measures them on the validation split."""

    def __init__(
        self, teacher, manifest, plain: Data, data: Data, folder: Path,
        budget, profile, epochs,
    ):  # fmt: skip
        self.teacher, self.manifest, self.data = teacher, manifest, data
        self.folder, self.budget, self.profile = folder, budget, profile
        self.epochs, self.spec = epochs, plain.spec
        self.ranges = calibration(plain.train, self.spec, 64)
        self.validation = take(
            plain.validation, self.spec, SEARCH_SAMPLES,
            plain.counts["validation"],
        )  # fmt: skip
        self.recipe = recipe_of(manifest, self.spec)
        self.heads = heads_of(self.spec, plain.statistics, self.recipe)
        answers = teacher.predict(self.validation.x, verbose=0)
        self.base = self._scores(answers)
        self.floats: dict[Path, ProducedFile] = {}
        # The last model that was pruned, and its share of the first one.
        self.pruned = [(1.0, teacher)]

    def save(self, model: keras.Model, name: str) -> Path:
        path = self.folder / f"{name.replace(' ', '-')}.keras"
        with artefact.atomic(path) as temporary:
            model.save(temporary)
        return path

    def tune(self, student: keras.Model, epochs: int) -> None:
        """Teaches a model, with a rate that falls to zero."""
        steps = max(1, epochs * int(self.data.train.cardinality()))
        rate = self.recipe.training.strategies["full"].learning_rate
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, steps, warmup_target=rate, warmup_steps=steps // 10
        )
        distiller = compress.Distiller(
            self.teacher, student, optional=self.spec.optional
        )
        distiller.compile(
            optimizer=keras.optimizers.AdamW(schedule, clipnorm=1.0),
            loss=head_kinds.losses(self.heads, student),
            loss_weights=head_kinds.loss_weights(self.heads),
            # A search compiles many models; XLA would take longer than it
            # saves.
            jit_compile=False,
        )
        private.create_variables_for(distiller, self.data.train)
        distiller.fit(self.data.train, epochs=epochs, verbose=0, shuffle=False)

    def prune(self, fraction: float) -> Path:
        """Prunes the nearest larger model of the search, and tunes it."""
        share, model = min(p for p in self.pruned if p[0] > fraction)
        try:
            small = compress.prune_channels(
                model,
                fraction / share,
                of=self._dearest(),
                importance="taylor",
                data=self.data.train.take(20),
                loss=head_kinds.losses(self.heads, model),
            )
        except ValueError as error:
            raise budgets.OutOfReach(str(error)) from error
        self.tune(small, self.epochs)
        self.pruned.append((fraction, small))
        return self.save(small, f"pruned {fraction:.4f}")

    def _dearest(self) -> str:
        """A file's size follows its parameters, its time what it computes."""
        only_time = self.budget.size_kb is None
        return "multiply_adds" if only_time else "parameters"

    def students(self) -> Iterator[tuple[str, float, Callable[[], Path]]]:
        for scale in SCALES:
            recipe = smaller(self.recipe, self.spec, scale)
            known = self.data.statistics
            model, _ = build_from_recipe(self.spec, known, recipe, self.data)
            yield (
                f"student, {scale:.3g} as wide",
                model.count_params() / self.teacher.count_params(),
                lambda model=model, scale=scale: self._teach(model, scale),
            )

    def _teach(self, student: keras.Model, scale: float) -> Path:
        self.tune(student, 4 * self.epochs)
        return self.save(student, f"student {scale}")

    def measure(
        self, name: str, method: str, path: Path, quantize: str
    ) -> budgets.Candidate:
        # Hides the quantizer's progress bars.
        with contextlib.redirect_stderr(io.StringIO()):
            file = self._file(path, quantize)
        prove(file.path, self.validation.x)
        run = open_file(file.path)
        scores = self._scores(run_all(run, self.validation.x))
        time = latencies_ms({"it": run}, self.validation.x, 1.0)["it"]
        size = file.size_bytes / 1000
        unfit = ()
        if self.profile is not None:
            unfit = tuple(misfits(file.path, self.profile))
        return budgets.Candidate(
            name, method, str(path), quantize, size, time,
            drop=max(self.base[t] - scores[t] for t in self.base),
            fits=self.budget.excess(size, time) <= 1 and not unfit,
            misfits=unfit,
        )  # fmt: skip

    def _file(self, path: Path, quantize: str) -> ProducedFile:
        """Makes a file as `export` does, in this process: the model is known.

        Of several recipes the first one, and instead of one that needs
        labelled samples the first one of int8.
        """
        folder, form = path.with_suffix(""), FORMATS["tflite"]
        folder.mkdir(exist_ok=True)
        made = ConversionContext(folder, load_model(path), self.ranges)
        if path not in self.floats:
            self.floats[path] = form.convert(made)
            prove(self.floats[path].path, self.ranges)
        recipes = form.recipes[quantize]
        if form.needs_labels & set(recipes):
            recipes = form.recipes["int8"]
        if not recipes:
            return self.floats[path]
        return form.quantize(self.floats[path], recipes[0], made)

    def _scores(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        labels, weights = self.validation.labels, self.validation.weights
        return guarded(self.spec.targets, labels, weights, outputs)

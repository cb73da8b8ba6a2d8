"""One stage of a strategy: what is trained, on what, how long, how fast."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras

from mmkeras import heads as head_kinds
from mmkeras import keras_private as private
from mmkeras import stopping
from mmkeras.escaping import say
from mmkeras.training.balancing.weights import balance
from mmkeras.training.stages.callbacks import CsvHistory, TorchChance
from mmkeras.training.stages.checkpoints import (
    AtomicCheckpoint,
    latest_checkpoint,
)
from mmkeras.training.stages.configured_callbacks import configured_callbacks
from mmkeras.training.stages.datasets import count_batches
from mmkeras.training.stages.definition import Fit, Share, Stage
from mmkeras.training.stages.fitting import (
    Hooks,
    Position,
    fit_epochs,
    seeds_of,
)
from mmkeras.training.stages.optimizer import make_optimizer, schedule
from mmkeras.training.stages.orders import (
    batch_like,
    go_to,
    is_divisible,
    iterators_of,
    prepared,
)
from mmkeras.training.stages.resume import (
    Resumed,
    arrays_of,
    callback_states,
    json_rows,
    restore_rows,
    variables_of,
)

# Epochs of a stage that ends by time alone.
FOREVER = 1_000_000


def run_stage(
    fit: Fit,
    index: int,
    stage: Stage,
    share: Share | None = None,
    checkpoint: Mapping[str, Any] | None = None,
) -> None:
    """Compiles and fits one stage; its metrics are added to `fit.rows`.

    Args:
        fit: What all stages share.
        index: The stage's place among them.
        stage: What is trained.
        share: What it may spend.
        checkpoint: What `find_checkpoint` found, of this stage.
    """
    share = share or Share()
    fit.spent.begin_stage(share.steps, share.seconds)
    fit.train = train = prepared(stage.data.train, fit.seed)
    steps = count_batches(train)
    epochs = _epochs(stage, share, steps)
    _check_steps(fit, stage, steps, share)
    rate = schedule(fit.settings, stage, steps, share)
    heads = fit.heads if stage.heads is None else stage.heads
    compile_stage(
        stage.model,
        make_optimizer(fit.settings, stage, steps, share, fit.applied),
        heads,
        fit.settings.jit_compile,
    )
    if fit.applied.grouped:
        # With all weights that are trained at some epoch, some of them frozen
        # at first: Keras takes no new weights later.
        stage.model.optimizer.build(fit.applied.learning)
    trained = balance(stage.model, heads, fit.settings.balance)
    private.create_variables_for(trained, train)
    fit.spent.rate = rate
    first = len(fit.rows.rows)
    if checkpoint is not None:
        restore_rows(fit.rows, checkpoint["rows"])
        go_to(train, checkpoint)
        if checkpoint["step"]:
            # The metrics, too, whose sums are restored.
            private.create_variables(trained, batch_like(train))
    done = len(fit.rows.rows)
    last = first + epochs
    if checkpoint is not None and checkpoint["stopped"]:
        last = done + checkpoint["validating"]
    fit.rows.stage = stage.name
    if fit.verbose:
        say(f"Stage `{stage.name}`: {_length(epochs, share)}")
    begin = Position(done)
    if checkpoint is not None:
        begin = Position(done, checkpoint["step"], checkpoint["validating"])
        say(f"Stage `{stage.name}` {_told(begin, steps, last)}")
    with stopping.postponing() as request:
        hooks = Hooks(steps, last, request)
        _fill(hooks, fit, index, stage, trained, first, checkpoint)
        validation = stage.data.validation
        fit_epochs(trained, hooks, train, validation, begin, fit.verbose)
    _check_loss(fit.rows, fit.out)


def _check_steps(fit: Fit, stage: Stage, steps: int, share: Share) -> None:
    """Raises ValueError without a batch; warns where none is a step."""
    if not steps:
        raise ValueError(
            "`data.train` must have at least one batch. Received: none for "
            f"the stage `{stage.name}`"
        )
    total = stage.epochs * steps if share.steps is None else share.steps
    needed = fit.settings.accumulate_steps
    if share.seconds is None and total < needed:
        warnings.warn(
            f"The stage `{stage.name}` takes no step: it has {total} batches, "
            f"fewer than accumulate_steps={needed}",
            stacklevel=2,
        )


def _epochs(stage: Stage, share: Share, steps: int) -> int:
    """Returns how many epochs a stage has at most."""
    if share.seconds is not None:
        # It ends when its time is over.
        return FOREVER
    if share.steps is not None:
        return math.ceil(share.steps / steps)
    return stage.epochs


def _told(begin: Position, steps: int, last: int) -> str:
    """Returns where a stage goes on, as part of a sentence."""
    epoch = f"epoch {begin.epoch + 1}"
    if begin.validating:
        return f"goes on at the validation of {epoch}"
    if begin.step:
        return f"goes on at {epoch}, step {begin.step + 1} of {steps}"
    return f"goes on at {epoch}" if begin.epoch < last else "is done already"


def _length(epochs: int, share: Share) -> str:
    if share.seconds is not None:
        return f"{share.seconds:.0f} s"
    if share.steps is not None:
        return f"{share.steps} steps"
    return f"{epochs} epochs"


def compile_stage(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    heads: Mapping[str, Any],
    jit_compile: bool | str = "auto",
) -> None:
    """Compiles a stage's model; without heads it has a loss of its own."""
    if not heads:
        model.compile(optimizer=optimizer, jit_compile=jit_compile)
        return
    model.compile(
        optimizer=optimizer,
        loss=head_kinds.losses(heads, model),
        loss_weights=head_kinds.loss_weights(heads),
        weighted_metrics=head_kinds.metrics(heads, model),
        jit_compile=jit_compile,
    )


def _fill(
    hooks: Hooks,
    fit: Fit,
    index: int,
    stage: Stage,
    trained: keras.Model,
    first: int,
    checkpoint: Mapping[str, Any] | None,
) -> None:
    """Gives `hooks` all callbacks; what saves and restores stands last."""
    chosen = [
        fit.spent,
        *fit.applied.callbacks,
        *configured_callbacks(fit, stage),
        # Before the history, to which they may add metrics.
        *stage.callbacks,
        fit.rows,
        *fit.callbacks,
    ]
    if keras.backend.backend() == "torch":
        chosen.append(TorchChance())

    def variables():
        optimizer = stage.model.optimizer
        if not optimizer.built:
            optimizer.build(trained.trainable_variables)
        return variables_of(trained, fit.whole, optimizer)

    def state():
        arrays, memories = callback_states(chosen)
        progress = {
            "stage": index,
            "stage_epochs": len(fit.rows.rows) - first,
            "iterators": iterators_of(fit.train),
            "step": saver.step,
            "validating": hooks.validating,
            "stopped": bool(trained.stop_training),
            "share": asdict(fit.share),
            "left_out": fit.left_out,
            "rows": json_rows(fit.rows.rows),
            "callbacks": memories,
        }
        if saver.step:
            arrays |= hooks.sums_of_metrics(trained)
        if hooks.validating:
            arrays |= hooks.drawn
        return (
            arrays_of(variables()) | arrays,
            {"fingerprint": fit.fingerprint, "progress": progress},
        )

    hooks.callbacks += chosen
    hooks.seeds = lambda: seeds_of(variables())
    if fit.out is not None and fit.settings.checkpoints:
        saver = AtomicCheckpoint(
            fit.out / "checkpoints",
            fit.settings.checkpoints,
            fit.whole,
            state,
            fit.settings.checkpoint_share,
            fit.settings.checkpoint_every_sec,
        )
        hooks.saver, hooks.within = saver, is_divisible(fit.train)
        hooks.callbacks.append(saver)
    if checkpoint is not None:
        hooks.callbacks.append(Resumed(chosen, variables, checkpoint))


def _check_loss(rows: CsvHistory, out: Path | None) -> None:
    """Raises ValueError if the last epoch's loss is NaN or infinite."""
    last = rows.rows[-1]
    if math.isfinite(last["loss"]):
        return
    kept = out and latest_checkpoint(out / "checkpoints")
    raise ValueError(
        f"The loss must stay finite. Received: loss={last['loss']} in epoch "
        f"{last['epoch']} (stage `{last['stage']}`); "
        + (f"the last finite checkpoint is `{kept}`; " if kept else "")
        + "try a lower `learning_rate` or a smaller `clip_norm`, and check "
        "the data for NaN"
    )

"""Full fine-tuning: towers, fusion and heads together."""

from dataclasses import dataclass

from mmkeras.options import option
from mmkeras.training.stages.definition import Stage
from mmkeras.training.strategies.base import Strategy
from mmkeras.training.strategies.blending import blending_plan, blending_stages
from mmkeras.values import COUNT, FLAG, WHOLE


@dataclass(frozen=True, kw_only=True)
class FullFineTune(Strategy):
    """Trains towers, fusion and heads together from the first step.

    Args:
        epochs: Passes over the training split.
        blend: Whether gradient blending weighs the modalities by how much
            they generalise and overfit; see `blending_stages`. The weights
            are in the history, as `blend_{modality}` and `blend_fused`,
            and a single target's figures have its name before them, as if
            there were several.
        blend_epochs: Passes of each of blending's estimates.

    Every argument of `Strategy` is taken too.

    Example:

    >>> strategy = FullFineTune(epochs=5, learning_rate=2e-3)
    >>> history = strategy.fit(model, data, heads, out="runs/first")
    """

    epochs: int = option(20, WHOLE, "epochs")
    blend: bool = option(False, FLAG)
    blend_epochs: int = option(5, COUNT, "epochs")

    def __post_init__(self):
        super().__post_init__()
        if self.blend and self.balance != "fixed":
            raise ValueError(
                "`blend` weighs the losses itself, and goes with `balance` "
                f"'fixed' alone. Received: balance={self.balance!r}"
            )

    def plan(self, model):
        first = blending_plan(model, self.blend_epochs) if self.blend else []
        return [*first, ("all", self.epochs)]

    def stages(self, model, data, heads):
        if not self.blend:
            yield Stage("all", model, data, self.epochs, self.learning_rate)
            return
        yield from blending_stages(
            model,
            data,
            heads,
            self.blend_epochs,
            self.epochs,
            self.learning_rate,
        )

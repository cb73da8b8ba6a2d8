"""Labels, units and direction of figures, for reports."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Description:
    """How a figure is shown.

    Args:
        label: Its name on a page.
        share: Whether it is a share of one, whose differences are shown in
            percentage points.
        in_units: Whether it has the unit of the target.
        smaller_is_better: Whether it is an error.
    """

    label: str
    share: bool = False
    in_units: bool = False
    smaller_is_better: bool = False

    def possible(self, low: float, high: float) -> tuple[float, float]:
        """Returns an interval without what the figure cannot be."""
        least = 0.0 if self.share or self.smaller_is_better else -math.inf
        return max(low, least), min(high, 1.0 if self.share else math.inf)


def describe(name: str) -> Description:
    """Returns how a figure is shown; an unknown one by its name.

    Example:

    >>> describe("rmse").label
    'Root mean squared error'
    >>> describe("panoptic_quality").label
    'Panoptic quality'
    """
    known = _KNOWN.get(name) or _own.get(name)
    for start, label in _OF_CLASS.items() if known is None else ():
        if name.startswith(start):
            return _share(f"{label} of {name.removeprefix(start)}")
    return known or Description(name.replace("_", " ").capitalize())


def register_figure(name: str, told: Description) -> None:
    """Says how a figure of one's own is told, on every page.

    Raises:
        ValueError: If one of mmkeras has that name.
    """
    if name in _KNOWN:
        raise ValueError(
            "`name` must be that of a figure of your own. Received: "
            f"{name!r}, which mmkeras calls {_KNOWN[name].label!r}"
        )
    _own[name] = told


@contextlib.contextmanager
def figures_kept() -> Iterator[None]:
    """Forgets at the end how figures are told that are registered within."""
    before = dict(_own)
    try:
        yield
    finally:
        _own.clear()
        _own.update(before)


def _share(label: str) -> Description:
    return Description(label, share=True)


def _error(label: str) -> Description:
    return Description(label, in_units=True, smaller_is_better=True)


def _wrong(label: str) -> Description:
    return Description(label, share=True, smaller_is_better=True)


# Those of kinds of one's own, by the process that registered them.
_own: dict[str, Description] = {}
OF_ENTITY = "entity_f1_"
# What figures of one class are called, before its name.
_OF_CLASS = {
    "ap50_": "AP50",
    "dice_": "Dice",
    OF_ENTITY: "F1",
    "roc_auc_": "ROC-AUC",
}
_KNOWN = {
    "accuracy": _share("Accuracy"),
    "balanced_accuracy": _share("Balanced accuracy"),
    "subset_accuracy": _share("Subset accuracy"),
    "macro_precision": _share("Precision (macro)"),
    "macro_recall": _share("Recall (macro)"),
    "macro_f1": _share("F1 (macro)"),
    "micro_f1": _share("F1 (micro)"),
    "f1": _share("F1"),
    "roc_auc": _share("ROC-AUC"),
    "dice": _share("Dice"),
    "iou": _share("Intersection over union"),
    "worst_dice": _share("Dice of the worst sample"),
    "mae": _error("Mean absolute error"),
    "rmse": _error("Root mean squared error"),
    "r2": Description("R²"),
    "correlation": Description("Correlation"),
    "kappa": Description("Kappa (quadratic weights)"),
    "mase": Description("Mean absolute scaled error", smaller_is_better=True),
    "skill": Description("Skill (R²)"),
    "pinball": _error("Pinball loss"),
    "coverage": _share("Labels in the interval"),
    "width": Description("Width of the interval", in_units=True),
    "average_precision": _share("Average precision"),
    "detection_rate": _share("Anomalies found"),
    "false_alarm_rate": Description(
        "False alarms", share=True, smaller_is_better=True
    ),
    "change_f1": _share("F1 of changes"),
    "exact_match": _share("Exact match"),
    "rouge_l": _share("ROUGE-L"),
    "bleu": _share("BLEU"),
    "cider": Description("CIDEr-D"),
    "perplexity": Description("Perplexity of a letter", smaller_is_better=True),
    "wer": _wrong("Word error rate"),
    "cer": _wrong("Character error rate"),
    "word_accuracy": _share("Word accuracy"),
    "recall_at_1": _share("Recall at 1"),
    "recall_at_5": _share("Recall at 5"),
    "recall_at_10": _share("Recall at 10"),
    "ap": _share("AP (IoU .50 to .95)"),
    "ap50": _share("AP50"),
    "entity_f1": _share("F1 of spans"),
    "entity_precision": _share("Precision of spans"),
    "entity_recall": _share("Recall of spans"),
    "entity_macro_f1": _share("F1 of spans (macro)"),
}

"""What is said, as a text: speech to text without times (CTC)."""

import unicodedata
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pydantic
from pydantic import Field

from mmkeras.kinds.transcript.frame_decoding import decoder, text_of
from mmkeras.metrics import (
    Figures,
    aligned,
    edits,
    has_label,
    transcript_errors,
    weighted_share,
)
from mmkeras.spec.registry import register_target
from mmkeras.spec.tables import Columns
from mmkeras.spec.target import Target, check_modalities

Name = Annotated[str, Field(max_length=40)]
# TOML has lists only; a tuple keeps the spec immutable.
Names = Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]
Letters = Annotated[str, Field(min_length=1, max_length=10_000)]
Symbols = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=100)], ...],
    Field(strict=False, min_length=1, max_length=10_000),
]


@register_target
class Transcript(Target):
    """What is said, as a text; where in the sample, nobody has told.

    Args:
        kind: "transcript".
        column: Manifest column with the text; empty means no label.
        weight: Weight of this target's loss.
        alphabet: The characters of a text; or a list of symbols: pieces of
            words, of which the longest that fits is taken first, or whole
            words with a `separator`.
        separator: What stands between two symbols of the column; nothing, ""
            where they are characters or pieces.
        steps: Frames, spread evenly over the length of `modality`, each a
            symbol or none. A text needs one a symbol, and one more between
            two that are alike.
        max_symbols: Symbols of the longest text.
        modality: Modality whose tokens are heard or seen; or several that are
            fused frame by frame.
        lowercase: Whether letters lose their case, in labels.
        unknown: What happens to a text with a letter outside the alphabet:
            "refuse" leaves the sample out, "drop" leaves the letter out.
        beam: Transcripts that a prefix beam keeps; 0 for the likeliest
            symbol of each frame.
        words: The words that an answer is made of; any where left out.
    """

    kind: Literal["transcript"]
    alphabet: Letters | Symbols
    separator: Annotated[str, Field(max_length=5)] = ""
    steps: Annotated[int, Field(ge=2, le=10_000)]
    max_symbols: Annotated[int, Field(ge=1, le=10_000)]
    modality: Name | Names
    lowercase: bool = False
    unknown: Literal["refuse", "drop"] = "refuse"
    beam: Annotated[int, Field(ge=0, le=1000)] = 0
    words: Columns = ()
    dtype: ClassVar[str] = "int32"
    needs_whole: ClassVar[bool] = True
    headline: ClassVar[str] = "wer"
    guard: ClassVar[str] = "word_accuracy"
    training_metric: ClassVar[str] = "symbol_error_rate"
    baseline: ClassVar[str] = "commonest transcript"
    device_shares: ClassVar[tuple[str, ...]] = (
        "mmkeras.kinds.transcript.frame_decoding",
    )
    device_keys: ClassVar[tuple[str, ...]] = (
        "separator",
        "steps",
        "modality",
        "beam",
        "words",
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> "Transcript":
        symbols = self.symbols
        twice = [s for s, count in Counter(symbols).items() if count > 1]
        if twice:
            raise ValueError(
                "`alphabet` must have each symbol once. Received: "
                f"{twice[0][:80]!r} twice"
            )
        # A letter and its accent, one after the other, are one letter in NFC.
        whole = isinstance(self.alphabet, str)
        parts = [self.alphabet] if whole else symbols
        for part in parts:
            if unicodedata.normalize("NFC", part) != part:
                raise ValueError(
                    "`alphabet` must be in NFC, as texts are read. Received: "
                    + part.encode("unicode_escape").decode()[:80]
                )
        if self.lowercase and any(s.lower() != s for s in symbols):
            wrong = next(s for s in symbols if s.lower() != s)
            raise ValueError(
                "`alphabet` must have no capital where `lowercase` is true. "
                f"Received: {wrong[:80]!r}"
            )
        if self.max_symbols > self.steps:
            raise ValueError(
                "`max_symbols` must be at most `steps`, a frame a symbol. "
                f"Received: {self.max_symbols} and steps={self.steps}"
            )
        if any(" " in word or not word for word in self.words):
            raise ValueError(
                "`words` must be single words. Received: "
                f"{next(w for w in self.words if ' ' in w or not w)[:80]!r}"
            )
        return self

    @property
    def web(self) -> str | None:
        """What stands for it on the phone's page, which has no beam."""
        return None if self.beam or self.words else "transcript"

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols in the order of their ids."""
        return tuple(self.alphabet)

    @property
    def shape(self) -> tuple[int, ...]:
        return (1 + self.max_symbols,)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities whose tokens are read."""
        names = self.modality
        return (names,) if isinstance(names, str) else names

    def check(self, name: str, modalities: Mapping[str, Any]) -> None:
        key = f"targets.{name}.modality"
        check_modalities(key, self.modalities, modalities)

    def among(self, modalities: Container[str]) -> "Transcript":
        # The head goes by the fused vector where none is left.
        kept = tuple(name for name in self.modalities if name in modalities)
        if not kept or len(kept) == len(self.modalities):
            return self
        return self.model_copy(update={"modality": kept})

    def notes(self, cells: Sequence[str]) -> dict[str, int]:
        if self.unknown == "refuse":
            return {}
        part = self.part("read")
        places = part.places_of(self)
        lost = [len(part.ids_of(self, cell, places)[1]) for cell in cells]
        dropped = {
            "texts_with_dropped_letters": sum(map(bool, lost)),
            "dropped_letters": sum(lost),
        }
        return {note: count for note, count in dropped.items() if count}

    def facts(self, values: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
        known = np.asarray(values)[np.asarray(weights) > 0]
        if not len(known):
            return {}
        rows, counts = np.unique(known, axis=0, return_counts=True)
        common = rows[counts.argmax()]
        return {
            "symbols": int(known[:, 0].sum()),
            "longest": int(known[:, 0].max()),
            "different": len(rows),
            "commonest": _ids(common).tolist(),
        }

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        if weights is None:
            weights = np.ones(len(labels))
        rows = np.flatnonzero(has_label(weights))
        return transcript_errors(
            [self._said(labels[i]) for i in rows],
            [self._heard(outputs[i]) for i in rows],
            np.asarray(weights)[rows],
        )

    def agreement(
        self,
        one: np.ndarray,
        other: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float | None:
        alike = [
            self._heard(a) == self._heard(b)
            for a, b in zip(one, other, strict=True)
        ]
        return weighted_share(np.array(alike), weights)

    def errors(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> np.ndarray | None:
        pairs = zip(labels, outputs, strict=True)
        found = [(self._said(a), self._heard(b)) for a, b in pairs]
        return np.array([edits(a, b) / len(a) for a, b in found])

    def spell(self, label: np.ndarray, output: np.ndarray) -> dict[str, Any]:
        said, heard = self._said(label), self._heard(output)
        return {
            "label": said,
            "answer": heard,
            "probability": None,
            "aligned": aligned(said.split(), heard.split()),
        }

    def answer_cell(self, output: np.ndarray) -> str:
        return self._heard(output)

    def label_cell(self, label: np.ndarray, weight: np.ndarray) -> str:
        return self._said(label)

    def constant(
        self, facts: Mapping[str, Any], train_samples: int | None = None
    ) -> np.ndarray | None:
        if "commonest" not in facts:
            return None
        frames: list[int] = []
        for i in facts["commonest"]:
            frames += [0, i] if frames and frames[-1] == i else [i]
        frames += [0] * (self.steps - len(frames))
        # As sure as a logit makes it in float32.
        return 20.0 * np.eye(1 + len(self.symbols))[frames]

    def device_entry(self, name: str, folder: Path) -> dict[str, Any]:
        """Adds the alphabet, a list in either case."""
        entry = super().device_entry(name, folder)
        return {**entry, "alphabet": list(self.symbols)}

    def _said(self, label: np.ndarray) -> str:
        return text_of(_ids(label), self._decoding)

    def _heard(self, output: np.ndarray) -> str:
        entry = self._decoding
        return text_of(decoder(entry).push(output).ids, entry)

    @property
    def _decoding(self) -> dict[str, Any]:
        return {
            "alphabet": self.symbols,
            "separator": self.separator,
            "beam": self.beam,
            "words": self.words,
        }


def _ids(label: np.ndarray) -> np.ndarray:
    count, *ids = np.asarray(label).astype(int)
    return np.array(ids[:count], int)

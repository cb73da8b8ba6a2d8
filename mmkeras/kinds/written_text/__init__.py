"""A text that the model writes: a caption, an answer, a note."""

import collections
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pydantic
from pydantic import Field

from mmkeras.generation import LIMITS, code_of
from mmkeras.metrics import (
    Figures,
    has_label,
    labelled,
    text_overlap,
    written_texts,
)
from mmkeras.spec.registry import register_target
from mmkeras.spec.target import Separator, Target

# Options of the runner where a bundle writes texts.
OPTIONS = (*LIMITS, "stop", "stream")


@register_target
class WrittenText(Target):
    """A text that the model writes, letter by letter or word by word.

    What letters or words there are is learned from the training split.

    Args:
        kind: "text".
        column: Manifest column with the text; empty means no label.
        weight: Weight of this target's loss.
        max_characters: Characters kept, from the start of a text.
        prompt: The text modality that the answer follows, such as a question:
            its tokens stand right before the text.
        references: How many texts a cell may hold, of which each is right.
        separator: What stands between them.
        lowercase: Whether letters lose their case.
        unit: "characters" or "words": what is written at a time. Words are
            those of a text modality, with the blank before them; one that
            the training split lacks is never written.
        max_words: Words kept, signs among them; required for words.
        vocabulary_size: Largest number of different words, the commonest.
    """

    kind: Literal["text"]
    max_characters: Annotated[int, Field(ge=1, le=2000)]
    prompt: Annotated[str, Field(max_length=40)] | None = None
    references: Annotated[int, Field(ge=1, le=20)] = 1
    separator: Separator = "|"
    lowercase: bool = False
    unit: Literal["characters", "words"] = "characters"
    max_words: Annotated[int, Field(ge=1, le=500)] | None = None
    vocabulary_size: Annotated[int, Field(ge=16, le=100_000)] = 8000
    dtype: ClassVar[str] = "int32"
    writes: ClassVar[bool] = True
    headline: ClassVar[str] = "rouge_l"
    guard: ClassVar[str] = "rouge_l"
    training_metric: ClassVar[str] = "letter_accuracy"
    baseline: ClassVar[str] = "commonest text"
    device_keys: ClassVar[tuple[str, ...]] = ("max_characters",)
    web: ClassVar[str] = "written"
    device_shares: ClassVar[tuple[str, ...]] = (
        "mmkeras.generation.decoding",
        "mmkeras.generation.sampling",
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> "WrittenText":
        if (self.unit == "words") != (self.max_words is not None):
            raise ValueError(
                '`max_words` must be given with `unit = "words"`, and only '
                f"there. Received: unit={self.unit!r}, "
                f"max_words={self.max_words}"
            )
        return self

    @property
    def length(self) -> int:
        """Places of a text: its characters, and its end."""
        return self.max_characters + 1

    @property
    def tokens(self) -> int:
        """Places of what is written: its characters or words, and its end."""
        return self.max_words + 1 if self.max_words else self.length

    @property
    def text_size(self) -> int:
        """Places of a label that tell the text before its words."""
        return self.length if self.max_words else 0

    @property
    def shape(self) -> tuple[int, ...]:
        each = (
            self.text_size + 2 * self.tokens if self.max_words else self.length
        )
        return (self.references * each,)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return self.shape

    def check(self, name: str, modalities: Mapping[str, Any]) -> None:
        asked = self.prompt
        if asked is not None and (
            getattr(modalities.get(asked), "learned_file", None) != "tokenizer"
        ):
            texts = [
                n
                for n, m in modalities.items()
                if m.learned_file == "tokenizer"
            ]
            raise ValueError(
                f"`targets.{name}.prompt` must be a modality of texts. "
                f"Received: {asked!r}; such modalities: {sorted(texts)}"
            )
        taken = sorted(set(modalities) & set(OPTIONS))
        if taken:
            raise ValueError(
                "A modality must not have the name of an option of the "
                f"runner, which writes `{name}`: {', '.join(OPTIONS)}. "
                f"Received: {taken[0]!r}"
            )

    def among(self, modalities: Any) -> "WrittenText":
        if self.prompt is None or self.prompt in modalities:
            return self
        return self.model_copy(update={"prompt": None})

    def split(self, cell: str) -> list[str]:
        """Returns the texts of a cell, as they are learned."""
        parts = [cell] if self.references == 1 else cell.split(self.separator)
        found = []
        for part in parts:
            text = unicodedata.normalize("NFC", " ".join(part.split()))
            found.append(text.lower() if self.lowercase else text)
        return [text for text in found if text]

    def join(self, names: Sequence[str]) -> str:
        return self.separator.join(names)

    def pieces(self, text: str) -> list[str]:
        """Returns what is written one after the other, none left out."""
        return self.ask("read", "pieces", text) if self.max_words else [*text]

    def kept(self, text: str) -> tuple[list[str], bool]:
        """Returns the pieces that there is room for, and whether it is all."""
        found = self.pieces(text)
        kept, characters = [], 0
        for piece in found[: self.tokens - 1]:
            characters += len(piece)
            if characters > self.max_characters:
                break
            kept.append(piece)
        return kept, len(kept) == len(found)

    def notes(self, cells: Sequence[str]) -> dict[str, int]:
        texts = [self.split(cell) for cell in cells]
        found = {
            "cut": sum(not self.kept(t)[1] for each in texts for t in each),
            "references_left_out": sum(
                max(0, len(each) - self.references) for each in texts
            ),
        }
        return {note: count for note, count in found.items() if count}

    def texts_of(self, label: np.ndarray, weight: Any = None) -> list[str]:
        """Returns the texts of a label."""
        codes = np.asarray(label)[: self.references * self.length]
        codes = codes.reshape(self.references, self.length)
        return [text for text in map(text_of, codes) if text]

    def facts(self, values: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
        rows = np.asarray(values, "int32")[has_label(weights)]
        first = rows[:, : self.length]
        texts, counts = np.unique(first, axis=0, return_counts=True)
        best = text_of(texts[counts.argmax()]) if len(texts) else ""
        return {
            **(self._words(rows) if self.max_words else self._letters(rows)),
            "different_texts": len(texts),
            "commonest_text": best,
        }

    def _letters(self, rows: np.ndarray) -> dict[str, Any]:
        return {"letters": "".join(map(chr, np.unique(rows[rows > 0])))}

    def _words(self, rows: np.ndarray) -> dict[str, Any]:
        counts = collections.Counter(
            word
            for row in rows
            for text in self.texts_of(row)
            for word in self.pieces(text)
        )
        # Of two words with one number, the commoner one has it.
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        kept = {code_of(w): w for w in reversed(ranked)}
        known = sorted(kept.values(), key=lambda word: (-counts[word], word))
        known = known[: self.vocabulary_size]
        unknown = sum(counts.values()) - sum(counts[word] for word in known)
        return {"letters": sorted(known), "unknown_words": unknown}

    def constant(
        self, facts: Mapping[str, Any], train_samples: int | None = None
    ) -> np.ndarray | None:
        text = facts.get("commonest_text")
        if not text:
            return None
        found = np.ones((2 + self.references, self.length), "float32")
        found[:2] = 0
        found[0, : len(text)] = [*map(ord, text)]
        return found

    def figures(
        self,
        labels: np.ndarray,
        outputs: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> Figures:
        labels, outputs, weights = labelled(labels, outputs, weights)
        # A weight for each letter, or one for all of a sample.
        weights = np.reshape(weights, (len(labels), -1))
        likely = outputs[:, 2:, : self.tokens].reshape(len(outputs), -1)
        known = None
        counts = np.broadcast_to(weights > 0, labels.shape)
        start = self.references * self.text_size
        counts = counts[:, start : start + self.references * self.tokens]
        if likely.shape[1] == counts.shape[1] and not (likely > 0).any():
            known = (likely * counts).sum(axis=1), counts.sum(axis=1)
        return written_texts(
            [self.texts_of(label) or [""] for label in labels],
            [text_of(output[0]) for output in outputs],
            weights.max(axis=1, initial=0),
            known,
        )

    def agreement(
        self,
        one: np.ndarray,
        other: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float | None:
        return float((one[:, 0] == other[:, 0]).all(axis=1).mean())

    def distance(
        self, one: np.ndarray, other: np.ndarray
    ) -> tuple[np.ndarray, float]:
        # Two letters that are nearly as likely may change places, and all
        # behind them: up to there, how likely the best letter is tells.
        same = (one[:, 0] == other[:, 0]).cumprod(axis=1)
        before = np.pad(same, ((0, 0), (1, 0)), constant_values=1)[:, :-1]
        return np.abs(one[:, 1] - other[:, 1]) * before, 1.0

    def errors(
        self, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
    ) -> np.ndarray | None:
        pairs = zip(labels, outputs, strict=True)
        return np.array(
            [
                1
                - text_overlap(self.texts_of(label) or [""], text_of(output[0]))
                for label, output in pairs
            ]
        )

    def spell(self, label: np.ndarray, output: np.ndarray) -> dict[str, Any]:
        return {
            "label": " | ".join(self.texts_of(label)),
            "answer": text_of(output[0]),
            "probability": float(np.exp(output[1].sum())),
        }

    def answer_cell(self, output: np.ndarray) -> str:
        return text_of(output[0])

    def label_cell(self, label: np.ndarray, weight: np.ndarray) -> str:
        return self.join(self.texts_of(label))

    def device_entry(self, name: str, folder: Path) -> dict[str, Any]:
        """Adds the file of the letters."""
        file = {"letters": f"letters_{name}.json"}
        return {**super().device_entry(name, folder), **file}

    def device_files(self, name: str, data: Any) -> dict[str, Any]:
        """Returns the letters that training learned."""
        facts = data.statistics["targets"][name]
        return {f"letters_{name}.json": {"letters": facts["letters"]}}


def text_of(codes: np.ndarray) -> str:
    """Returns the text of code points, up to the first 0."""
    found = np.asarray(codes).astype(int)
    ends = np.flatnonzero(found == 0)
    return "".join(map(chr, found[: ends[0] if len(ends) else len(found)]))

"""Texts, as token ids."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.answers import Augmentation, AugmentationFile, Learned
from mmkeras.spec.modality import Modality
from mmkeras.spec.registry import register_modality
from mmkeras.spec.tables import Column, Columns


@register_modality
class Text(Modality):
    """A text, as token ids.

    The tokenizer is trained on the training split, or that of a pretrained
    model.

    Args:
        kind: "text".
        column: Manifest column with the text itself, or its path with `file`.
        optional: Whether a sample may lack it.
        file: Whether `column` holds the path of a UTF-8 text file.
        max_tokens: Tokens kept, from the start of the text.
        vocabulary_size: Largest number of different tokens, where the
            tokenizer is trained.
        tokenizer: "wordpiece" (unknown words are split) or "word"; or that
            of a pretrained "bert" (and DistilBERT) or "roberta", which
            `vocabulary` holds.
        vocabulary: File inside the data root, as the model came with it: a
            `vocab.txt` for "bert", a `vocab.json` with `merges.txt` beside
            it for "roberta".
        lowercase: Whether letters lose their case. "roberta" keeps it.
        strip_accents: Whether letters lose the accents of Latin, Greek and
            Cyrillic; marks that are letters themselves stay, as in Hindi.
            Left out, they stay, but with "bert", which was trained without
            them where it was without case.
        normalization: "NFC" makes one of all spellings of a character, "NFKC"
            also of its shapes, such as full width; "none" leaves them. Left
            out, "NFC", but with a pretrained model what that one does.
        strip_markup: Whether tags, comments, scripts and styles of HTML are
            left out, and its commonest entities read.
        strip_links: Whether links are left out.
        stop_words: Words that are left out, where the tokenizer is trained.
        stop_words_file: UTF-8 file inside the data root with more of them,
            one a line.
    """

    kind: Literal["text"]
    column: Column
    file: bool = False
    max_tokens: Annotated[int, Field(gt=0, le=8192)]
    vocabulary_size: Annotated[int, Field(ge=16, le=1_000_000)] = 8000
    tokenizer: Literal["wordpiece", "word", "bert", "roberta"] = "wordpiece"
    vocabulary: str | None = None
    lowercase: bool = True
    strip_accents: bool | None = None
    normalization: Literal["NFC", "NFKC", "none"] | None = None
    strip_markup: bool = False
    strip_links: bool = False
    stop_words: Columns = ()
    stop_words_file: str | None = None
    dtype: ClassVar[str] = "int32"
    augmentations: ClassVar[Mapping[str, Augmentation]] = {
        "token_dropout": Augmentation(
            0.1, 0, 1, "fraction of tokens that turn unknown"
        ),
        "deletion": Augmentation(
            0,
            0,
            1,
            "fraction of tokens left out; the others close up",
            moves_space="alone",
        ),
        "swap": Augmentation(
            0,
            0,
            1,
            "fraction of pairs of neighbours that change places",
            moves_space="alone",
        ),
        "replacement": Augmentation(
            0, 0, 1, "fraction of words replaced by one of similar meaning"
        ),
        "word_vectors": AugmentationFile(
            "text file of word vectors (GloVe, word2vec, fastText), of which "
            "`replacement` takes the five nearest words"
        ),
    }
    example: ClassVar[str] = '"A TEXT"'
    device_keys: ClassVar[tuple[str, ...]] = ("max_tokens",)
    web: ClassVar[str] = "text"
    free_keys: ClassVar[tuple[str, ...]] = (
        *Modality.free_keys,
        "file",
        "max_tokens",
        "vocabulary",
        # What a tokenizer does with them stands in its JSON, which says
        # whether two towers read the same.
        "strip_accents",
        "normalization",
        "strip_markup",
        "strip_links",
        "stop_words",
        "stop_words_file",
    )
    learned_file: ClassVar[str] = "tokenizer"

    @pydantic.model_validator(mode="after")
    def _check(self) -> "Text":
        own = self.tokenizer in ("bert", "roberta")
        if own != (self.vocabulary is not None) or self.max_tokens < 3 * own:
            raise ValueError(
                '`vocabulary` must be given with `tokenizer = "bert"` or '
                '"roberta", and only there; `max_tokens` must then be at '
                f"least 3. Received: vocabulary={self.vocabulary!r}, "
                f"tokenizer={self.tokenizer!r}, max_tokens={self.max_tokens}"
            )
        if own and (self.stop_words or self.stop_words_file):
            raise ValueError(
                "`stop_words` and `stop_words_file` must be left out with a "
                "pretrained model, which was trained on whole sentences. "
                f"Received: tokenizer={self.tokenizer!r}"
            )
        if self.tokenizer == "roberta" and self.strip_accents is not None:
            raise ValueError(
                "`strip_accents` must be left out with `tokenizer = "
                '"roberta"`, which knows accents. Received: '
                f"strip_accents={self.strip_accents}"
            )
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (max_tokens,)."""
        return (self.max_tokens,)

    @property
    def device_uses(self) -> tuple[str, ...]:
        """Files of the runner: a pretrained model's tokenizer needs two."""
        more = ("subwords.py",) if self.vocabulary else ()
        return ("tokenizer.py", *more)

    def augment_learned(
        self, settings: Mapping[str, Any], learned: Learned
    ) -> Callable:
        return self.ask("augment", "augment", settings, learned)

    def device_entry(self, name: str, folder: Path) -> dict[str, Any]:
        """Adds the file of the tokenizer, and how many tokens it knows."""
        file = f"tokenizer_{name}.json"
        table = json.loads((folder / file).read_text(encoding="utf-8"))
        return {
            **super().device_entry(name, folder),
            "tokenizer": file,
            "vocabulary_size": len(table["model"]["vocab"]),
        }

    def device_files(self, name: str, data: Any) -> dict[str, Any]:
        """Returns the tokenizer that training used."""
        return {f"tokenizer_{name}.json": Path(data.tokenizer_path(name))}

"""The kinds of modality, and what each of them declares."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from mmkeras.spec.signals import Series, Video, Volume
from mmkeras.spec.tables import Column, Columns, Table

Pixels = Annotated[int, Field(gt=0, le=8192)]


class Image(Table):
    """A picture: PNG or JPEG, read as `(height, width, channels)` uint8.

    Args:
        kind: "image".
        column: Manifest column with the path.
        optional: Whether a sample may lack it.
        height: Height in pixels.
        width: Width in pixels.
        channels: 1 for grey, 3 for RGB.
        resize: What happens to a picture of another size: "stretch", "crop"
            (keep the shape, cut the centre), "pad" (keep the shape, fill with
            black) or "refuse" (quarantine it).
        noise_std: Deviation of the Gaussian noise added once at ingest, as a
            fraction of full scale; it makes a benchmark harder.
    """

    kind: Literal["image"]
    column: Column
    optional: bool = False
    height: Pixels
    width: Pixels
    channels: Literal[1, 3] = 3
    resize: Literal["stretch", "crop", "pad", "refuse"] = "stretch"
    noise_std: Annotated[float, Field(ge=0, le=10)] = 0.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (height, width, channels)."""
        return (self.height, self.width, self.channels)


class Audio(Table):
    """A recording: WAV or FLAC, mixed to mono, resampled, cut or padded.

    Args:
        kind: "audio".
        column: Manifest column with the path.
        optional: Whether a sample may lack it.
        sample_rate_hz: Rate in samples a second after resampling.
        duration_sec: Length in seconds; shorter recordings are padded with
            silence at the end, longer ones cut.
        crop: Which part of a longer recording is kept: "start" or "center".
        noise_snr_db: Signal-to-noise ratio in dB of white noise added once at
            ingest; none when left out.
    """

    kind: Literal["audio"]
    column: Column
    optional: bool = False
    sample_rate_hz: Annotated[int, Field(ge=1_000, le=384_000)]
    duration_sec: Annotated[float, Field(gt=0, le=600)]
    crop: Literal["start", "center"] = "start"
    noise_snr_db: Annotated[float, Field(ge=-60, le=120)] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (samples,)."""
        return (round(self.sample_rate_hz * self.duration_sec),)


class Text(Table):
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
        lowercase: Whether letters lose case and accents. "roberta" keeps
            them.
    """

    kind: Literal["text"]
    column: Column
    optional: bool = False
    file: bool = False
    max_tokens: Annotated[int, Field(gt=0, le=8192)]
    vocabulary_size: Annotated[int, Field(ge=16, le=1_000_000)] = 8000
    tokenizer: Literal["wordpiece", "word", "bert", "roberta"] = "wordpiece"
    vocabulary: str | None = None
    lowercase: bool = True

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
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (max_tokens,)."""
        return (self.max_tokens,)


class Vector(Table):
    """A row of a table: manifest columns, or a row of an `.npy` file.

    An empty cell, or "nan" among numbers, is missing. In a batch, numbers
    stand in raw units, NaN where missing; after them a category is an index: 0
    missing, 1 unknown, from 2 on the known ones.

    Args:
        kind: "vector".
        columns: Manifest columns with one number each.
        categorical: Manifest columns with one category each, any text. Known
            are those that occur twice or more in the training split.
        optional: Whether a sample may lack it (every cell missing).
        file: An `.npy` file inside the data root, `(rows, size)`.
        column: With `file`: manifest column with the row's index.
        size: With `file`: numbers in a row.
    """

    kind: Literal["vector"]
    columns: Columns = ()
    categorical: Columns = ()
    optional: bool = False
    file: str | None = None
    column: Column | None = None
    size: Annotated[int, Field(gt=0, le=100_000)] | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> "Vector":
        rows = (self.file, self.column, self.size)
        cells = self.columns + self.categorical
        if bool(cells) == (self.file is not None) or (
            any(part is None for part in rows) and any(rows)
        ):
            raise ValueError(
                "`columns` must be given alone, or `file`, `column` and "
                "`size` together; `categorical` goes with `columns`, or "
                f"alone. Received: columns={list(self.columns)}, "
                f"categorical={list(self.categorical)}, file={self.file!r}, "
                f"column={self.column!r}, size={self.size!r}"
            )
        if len(set(cells)) < len(cells):
            raise ValueError(
                "`columns` and `categorical` must name a column once. "
                f"Received: {list(cells)}"
            )
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (size,), numbers before categories."""
        return (self.size or len(self.columns) + len(self.categorical),)


ModalitySpec = Annotated[
    Image | Audio | Text | Vector | Series | Video | Volume,
    Field(discriminator="kind"),
]
MODALITIES = {
    "image": Image, "audio": Audio, "text": Text, "vector": Vector,
    "series": Series, "video": Video, "volume": Volume,
}  # fmt: skip

"""What the manifest of each kind of artefact must hold, and of which type.

Further fields are allowed: what a spec or a recipe holds, its own reader
checks.
"""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Table = dict[str, Any]


class Part(BaseModel):
    """A table of a manifest: strict types, further fields allowed."""

    model_config = ConfigDict(strict=True, extra="allow")


class File(Part):
    """A file of the artefact."""

    bytes: Count
    sha256: Sha256


class Manifest(Part):
    """The manifest of any artefact; `format` and `sha256` stand before."""

    kind: str
    versions: dict[str, str]
    command: str
    files: dict[str, File]


class Shard(File):
    """A shard of prepared data."""

    file: str
    count: Count


class Split(Part):
    """A split of prepared data."""

    count: Count
    shards: list[Shard]

    @model_validator(mode="after")
    def _is_sum(self) -> "Split":
        found = sum(shard.count for shard in self.shards)
        if found != self.count:
            raise ValueError(
                f"`count` must be the sum of its shards, {found}. Received: "
                f"{self.count}"
            )
        return self


class Splits(Part):
    """The splits of prepared data."""

    train: Split
    validation: Split
    test: Split


class Statistics(Part):
    """What the training split is like, by modality and target."""

    modalities: dict[str, Table]
    targets: dict[str, Table]


class Data(Manifest):
    """A folder of `prepare`."""

    spec: Table
    spec_sha256: Sha256
    source_sha256: Sha256
    seed: int
    statistics: Statistics
    splits: Splits
    quarantined: dict[str, Count]


class Run(Manifest):
    """A trained model; a run made by hand has few of these."""

    data: str = ""
    data_sha256: str = ""
    spec: Table = {}
    recipe: Table = {}
    strategy: str = ""
    seed: int | None = None
    vocabularies: dict[str, str] = {}


class Row(Part):
    """An epoch of a history."""

    epoch: Count
    stage: str


class Share(BaseModel):
    """What a stage may spend."""

    model_config = ConfigDict(strict=True, extra="forbid")

    steps: Count | None = None
    seconds: float | None = None


class Progress(Part):
    """How far a training had come."""

    stage: Count
    stage_epochs: Count
    iterators: Count
    # Steps of the next epoch that are done; all of them, if it is validating.
    step: Count = 0
    validating: bool = False
    stopped: bool
    share: Share
    left_out: list[str]
    rows: list[Row]
    callbacks: list[Table]


class Checkpoint(Manifest):
    """A checkpoint; with `progress`, one that a training resumes from."""

    epoch: Count
    progress: Progress | None = None
    fingerprint: Table | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "Checkpoint":
        if (self.progress is None) != (self.fingerprint is None):
            raise ValueError(
                "`progress` and `fingerprint` must both be there. Received: "
                "one of them"
            )
        return self


class ModelFile(Part):
    """The model of a bundle."""

    file: str
    format: str
    signature: str
    quantize: str = ""


class Input(Part):
    """An input of a bundle."""

    kind: str
    shape: list[Count]
    dtype: str
    optional: bool


class Output(Part):
    """An output of a bundle."""

    kind: str


class Stream(Part):
    """An input that is read step by step."""

    signature: str
    step: Count


class Bundle(Manifest):
    """An exported model."""

    model: ModelFile
    inputs: dict[str, Input]
    present: list[str]
    outputs: dict[str, Output]
    streams: dict[str, Stream] = {}
    name: str = ""
    spec_sha256: str = ""


# Group, name, type and shape; JSON knows lists alone.
Array = Annotated[tuple[str, str, str, list[Count]], Field(strict=False)]


class CachedSplit(Part):
    """Embeddings of a split."""

    batch_size: Annotated[int, Field(gt=0)]
    record_bytes: Annotated[int, Field(gt=0)]
    arrays: list[Array]
    count: Count
    files: list[str]


class CachedSplits(Part):
    """Embeddings by split."""

    train: CachedSplit
    validation: CachedSplit | None


class Embeddings(Manifest):
    """Cached outputs of frozen towers."""

    splits: CachedSplits


class Encoder(Part):
    """The model that an index was made with."""

    file: str
    output: str
    inputs: list[str]


class Index(Manifest):
    """Nearest neighbours; one saved by hand has no encoders."""

    dtype: str
    count: Count
    units: Count
    encoders: dict[str, Encoder] = {}
    spec: Table = {}


class Trial(Manifest):
    """A trial of a search."""

    recipe: Table
    figures: dict[str, float | None]
    parameters: Count | None
    failed: str | None
    seconds: float


class Measured(Manifest):
    """The figures of a run that is compared with others."""

    identity: Table


SCHEMAS: dict[str, type[Manifest]] = {
    "bundle": Bundle,
    "checkpoint": Checkpoint,
    "data": Data,
    "embeddings": Embeddings,
    "index": Index,
    "measured": Measured,
    "run": Run,
    "trial": Trial,
}


def check_schema(manifest: dict[str, Any], what: str) -> None:
    """Raises ValueError, with the field, unless a manifest is as it must be.

    Args:
        manifest: What was read.
        what: Where from, for the message.
    """
    schema = SCHEMAS.get(str(manifest.get("kind")), Manifest)
    try:
        schema.model_validate(manifest)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the whole"
        raise ValueError(
            f"{what} must hold `{repr(field)[1:-1]}` as mmkeras writes it: "
            f"{first['msg']}. Received: {repr(first['input'])[:80]}"
        ) from None

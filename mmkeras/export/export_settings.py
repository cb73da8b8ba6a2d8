"""What an export is asked for."""

from dataclasses import dataclass

from mmkeras.arguments import check_choice
from mmkeras.export.bundle.device_profiles import Profile, load_profile
from mmkeras.export.formats import FORMATS, QUANTIZE, Format


@dataclass(frozen=True)
class Settings:
    """What an export is asked for.

    Args:
        quantize: One of `QUANTIZE`.
        formats: Some of `FORMATS`.
        max_drop: Largest drop of a task metric, against Keras, as a fraction.
        float_layers: Parts of names of layers that compute in float.
        target: The device that the file has to fit.

    Raises:
        ValueError: If one is not known, or they do not go together.
    """

    quantize: str = "int8"
    formats: tuple[str, ...] = ("tflite",)
    max_drop: float = 0.01
    float_layers: tuple[str, ...] = ()
    target: Profile | None = None

    def __post_init__(self):
        self._check_each()
        self._check_together()
        if self.profile is not None:
            self._check_profile(self.profile)

    @property
    def written(self) -> tuple[Format, ...]:
        """The formats that have a file of their own."""
        names = (FORMATS[name].made_of or name for name in self.formats)
        return tuple(FORMATS[name] for name in dict.fromkeys(names))

    @property
    def added(self) -> tuple[Format, ...]:
        """The formats that are made of another's file."""
        every = (FORMATS[name] for name in dict.fromkeys(self.formats))
        return tuple(each for each in every if each.made_of is not None)

    @property
    def profile(self) -> Profile | None:
        """The device that the file has to fit, or what a format implies."""
        implied = (each.target for each in self.added if each.target)
        name = next(implied, None)
        if self.target is None and name is not None:
            return load_profile(name)
        return self.target

    def needs_labels(self, writes: bool = False) -> bool:
        """Whether something is chosen by its metrics, on labelled samples.

        Args:
            writes: Whether a target is a text.
        """
        found = [
            (each, each.recipes_of(self.quantize, writes))
            for each in self.written
        ]
        return any(
            len(recipes) > 1 or each.needs_labels & set(recipes)
            for each, recipes in found
        )

    def check_texts(self, target: str) -> None:
        """Raises ValueError if no file of these writes a text.

        Args:
            target: The target that is a text.
        """
        able = [name for name, each in FORMATS.items() if each.of_texts]
        if set(self.formats) - set(able):
            raise ValueError(
                f"`formats` must be {' or '.join(able)} where a target is a "
                f"text, as `{target}`: its decoder is a function beside the "
                f"model, which others cannot hold. Received: "
                f"{list(self.formats)}"
            )
        for each in self.written:
            if self.quantize not in each.of_texts:
                raise ValueError(
                    "`quantize` must be one of "
                    f"{', '.join(each.of_texts)} where a target is a text, as "
                    f"`{target}`. Received: {self.quantize!r}"
                )

    def _check_each(self) -> None:
        check_choice("quantize", self.quantize, QUANTIZE)
        if not self.formats or set(self.formats) - set(FORMATS):
            raise ValueError(
                f"`formats` must be one or more of {', '.join(FORMATS)}. "
                f"Received: {list(self.formats)}"
            )
        if not 0 <= self.max_drop <= 1:
            raise ValueError(
                "`max_drop` must be a fraction between 0 and 1. "
                f"Received: {self.max_drop}"
            )

    def _check_together(self) -> None:
        able = [n for n, f in FORMATS.items() if self.quantize in f.recipes]
        for each in self.written:
            if each.name not in able:
                raise ValueError(
                    f"`formats` must be {' or '.join(able)} for `quantize` "
                    f"{self.quantize}, which {each.runtime} does not have. "
                    f"Received: {list(self.formats)}"
                )

    def _check_profile(self, profile: Profile) -> None:
        known = profile.quantize
        if known is not None and self.quantize not in known:
            raise ValueError(
                f"`quantize` must be one of {', '.join(known)} for "
                f"{profile.name}. Received: {self.quantize!r}"
            )
        if set(self.formats) - set(profile.formats):
            raise ValueError(
                f"`formats` must be among {', '.join(profile.formats)} for "
                f"{profile.name}. Received: {list(self.formats)}"
            )

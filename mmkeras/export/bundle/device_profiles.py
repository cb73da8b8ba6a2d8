"""Device profiles: what a device offers, read from `export/profiles/*.toml`."""

import sysconfig
from pathlib import Path
from typing import Annotated

import pydantic
from pydantic import Field

from mmkeras.arguments import nearest
from mmkeras.export.conversion.memory import peak_bytes
from mmkeras.export.conversion.operators import count_operators
from mmkeras.spec import read_toml

Names = Annotated[tuple[str, ...], Field(strict=False, max_length=500)]


class Profile(pydantic.BaseModel):
    """What a file has to fit into.

    Args:
        name: Name of the profile, from the name of its file.
        description: The device, in words.
        threads: Threads of its processor. Latency is measured here, on one.
        memory_kb: Kilobytes for the activations of one answer; for devices
            with an operating system, for the file as well.
        flash_kb: Kilobytes for the file, where it does not lie in memory.
        formats: Formats that run there.
        quantize: Quantizations that run there; all if left out.
        operators: TFLite operators its runtime knows; all built-in ones if
            left out.
    """

    model_config = pydantic.ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False
    )
    name: str
    description: str
    threads: Annotated[int, Field(ge=1)] = 1
    memory_kb: Annotated[int, Field(ge=1)]
    flash_kb: Annotated[int, Field(ge=1)] | None = None
    formats: Names = ("tflite", "onnx")
    quantize: Names | None = None
    operators: Names | None = None


def profiles_folder() -> Path:
    """Finds `export/profiles`: in a checkout, or as installed."""
    checkout = Path(__file__).parents[3] / "export" / "profiles"
    if checkout.is_dir():
        return checkout
    return Path(sysconfig.get_path("data")) / "share" / "mmkeras" / "profiles"


def load_profile(name: str | Path) -> Profile:
    """Reads a profile by its name, or from a TOML file of your own.

    Raises:
        ValueError: If there is none of that name, or a key is wrong.

    Example:

    >>> load_profile("raspberry-pi-4").threads
    4
    """
    path = Path(name)
    if path.suffix != ".toml":
        path = profiles_folder() / f"{name}.toml"
        known = sorted(p.stem for p in profiles_folder().glob("*.toml"))
        if str(name) not in known:
            raise ValueError(
                "`--target` must be a device profile, or a TOML file of your "
                f"own. Received: {str(name)!r}.{nearest(str(name), known)}"
            )
    table = read_toml(path)
    keys = [key for key in Profile.model_fields if key != "name"]
    for key in table:
        if key not in keys:
            raise ValueError(
                f"`{path}`: `{key}` is not a known key.{nearest(key, keys)}"
            )
    try:
        return Profile(name=path.stem, **table)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        found = "nothing" if first["type"] == "missing" else first["input"]
        raise ValueError(
            f"`{path}`: `{key}`: {first['msg']}. Received: {found!r}"
        ) from None


def misfits(path: str | Path, profile: Profile) -> list[str]:
    """Returns a sentence for each way in which a TFLite file does not fit.

    Args:
        path: The `.tflite` file.
        profile: The device.
    """
    size_kb = Path(path).stat().st_size / 1000
    peak_kb = peak_bytes(path) / 1000
    found = []
    if profile.operators is not None:
        unknown = sorted(set(count_operators(path)) - set(profile.operators))
        if unknown:
            found.append(
                f"Every operator must be one that {profile.name} knows. "
                f"Received: {', '.join(unknown)}"
            )
    if profile.flash_kb is None:
        need, what = size_kb + peak_kb, "The file and its activations"
    else:
        need, what = peak_kb, "The activations"
        if size_kb > profile.flash_kb:
            found.append(
                f"The file must fit into {profile.flash_kb:,} kB of flash. "
                f"Received: {size_kb:,.0f} kB"
            )
    if need > profile.memory_kb:
        found.append(
            f"{what} must fit into {profile.memory_kb:,} kB of memory. "
            f"Received: {need:,.0f} kB"
        )
    return found

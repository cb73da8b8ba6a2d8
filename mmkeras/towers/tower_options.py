"""The options that every tower has."""

from dataclasses import dataclass

from mmkeras.options import Options, option
from mmkeras.values import COUNT, SHARE, TEXT


@dataclass(frozen=True, kw_only=True)
class TowerOptions(Options):
    """Options of every tower.

    Args:
        variant: Name of the architecture, such as "cnn".
        units: Width of the vector and of the tokens.
        dropout: Share of features dropped.
    """

    variant: str = option("", TEXT)
    units: int = option(64, COUNT, role="width")
    dropout: float = option(0.0, SHARE)

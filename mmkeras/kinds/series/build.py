"""The tower of sensor data."""

from mmkeras.towers import SERIES_TOWERS, series_tower

OPTIONS = SERIES_TOWERS


def build(series, name, facts, options):
    known = {key: facts[key] for key in ("mean", "std") if key in facts}
    given = {**known, **options.arguments()}
    return series_tower(*series.shape, name, **given)

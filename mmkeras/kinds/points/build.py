"""The tower of clouds of points."""

from mmkeras.towers import POINT_TOWERS, points_tower

OPTIONS = POINT_TOWERS


def build(points, name, facts, options):
    known = {key: facts[key] for key in ("mean", "std") if key in facts}
    box = points.crop_m if points.normalise == "none" else None
    given = {**known, "crop_m": box, **options.arguments()}
    return points_tower(*points.shape, name, **given)

"""The tower of pictures."""

from mmkeras.towers import IMAGE_TOWERS, image_tower

OPTIONS = IMAGE_TOWERS


def build(image, name, facts, options):
    shape = image.height, image.width, image.channels
    # A preset has statistics of its own.
    preset = getattr(options, "pretrained", None)
    keys = () if preset else ("mean", "std")
    known = {key: facts[key] for key in keys if key in facts}
    return image_tower(
        *shape,
        name,
        skips=facts.get("skips", False),
        **{**known, **options.arguments()},
    )

"""The tower of films."""

from mmkeras.towers import VIDEO_TOWERS, video_tower

OPTIONS = VIDEO_TOWERS


def build(video, name, facts, options):
    known = {key: facts[key] for key in ("mean", "std") if key in facts}
    return video_tower(*video.shape, name, **{**known, **options.arguments()})

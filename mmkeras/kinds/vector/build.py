"""The tower of rows of a table."""

from mmkeras.towers import VECTOR_TOWERS, vector_tower

OPTIONS = VECTOR_TOWERS


def build(vector, name, facts, options):
    known = {key: facts[key] for key in ("mean", "variance") if key in facts}
    categories = facts.get("categories", {})
    fitted = getattr(options, "projection", None) and "rows" in facts
    return vector_tower(
        vector.shape[0] - len(vector.categorical),
        name,
        categories=[len(categories.get(c, ())) for c in vector.categorical],
        rows=facts["rows"]() if fitted else None,
        **{**known, **options.arguments()},
    )

"""How `prepare` may be called."""

import os
from pathlib import Path
from typing import Any

from mmkeras.arguments import check_integer
from mmkeras.spec import DataSpec, load_spec


def arguments_of(
    source: Any, spec: Any, out: Any, root: Any
) -> tuple[Any, DataSpec, Path, Any]:
    """Returns the arguments of both calls, with a source and without."""
    toml = isinstance(source, str | Path) and str(source).endswith(".toml")
    if isinstance(source, DataSpec) or toml:
        given = [one for one in (spec, out, root) if one is not None]
        source, spec, out, root, *_ = None, source, *given, None, None
    if spec is None or out is None:
        raise ValueError(
            "`prepare` must be called as prepare(spec, out) or "
            "prepare(source, spec, out). Received: no "
            f"{'spec' if spec is None else 'out'}"
        )
    spec = spec if isinstance(spec, DataSpec) else load_spec(spec)
    return source, spec, Path(out), root


def workers_of(workers: int | None, seed: int) -> int:
    """Returns how many processes decode, after checking both arguments."""
    check_integer("seed", seed, 0)
    if workers is None:
        # Linux knows how many processors this process may use.
        allowed = getattr(os, "sched_getaffinity", None)
        return len(allowed(0)) if allowed else os.cpu_count() or 1
    if not isinstance(workers, int) or not 1 <= workers <= 1024:
        raise ValueError(
            "`workers` must be an integer from 1 to 1024. "
            f"Received: workers={workers!r}"
        )
    return workers


def check_modes(**modes: bool) -> None:
    """Raises ValueError if more than one is asked for."""
    asked = [f"`{name}`" for name, value in modes.items() if value]
    if len(asked) > 1:
        raise ValueError(
            "At most one of `dry_run`, `restart` and `append` must be true. "
            f"Received: {' and '.join(asked)}"
        )

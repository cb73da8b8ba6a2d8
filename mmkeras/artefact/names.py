"""Names of files, and patterns of names, that a folder of ours lists."""

import fnmatch
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from mmkeras.artefact.files import TEMPORARY

_TEMPORARY = re.compile(re.escape(TEMPORARY) + r"[0-9]+-(.+)")


def is_ours(name: str, names: Iterable[str]) -> bool:
    """Returns whether a file is one of these names, or will become one."""
    return matcher(names)(name)


def matcher(names: Iterable[str]) -> Callable[[str], bool]:
    """Returns `is_ours` for the same names, quick for many files."""
    names = set(names)
    patterns = [name for name in names if set(name) & set("*?[")]

    def matches(name: str) -> bool:
        unfinished = _TEMPORARY.fullmatch(name)
        both = {name, unfinished[1] if unfinished else name}
        return not names.isdisjoint(both) or any(
            fnmatch.fnmatchcase(each, pattern)
            for each in both
            for pattern in patterns
            # A star stops at a folder.
            if each.count("/") == pattern.count("/")
        )

    return matches


def literal(name: str) -> str:
    """Returns the pattern of one name alone."""
    return re.sub(r"([*?[])", r"[\1]", name)


def stays_inside(name: str) -> bool:
    """Returns whether a name can only be of what lies in its folder."""
    return not os.path.isabs(name) and ".." not in Path(name).parts

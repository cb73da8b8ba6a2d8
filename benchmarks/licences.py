"""Lists the licences of all that an installation of mmkeras needs.

    python benchmarks/licences.py

The closure of `install_requires`, as installed here. A package under the GPL or
the AGPL, without another choice, ends in exit code 1.
"""

import importlib.metadata
import re
import sys

# The LGPL, and what is "GPL-compatible", are none of them.
REFUSED = re.compile(
    r"\bA?GPL|(?<!lesser )general public license", re.IGNORECASE
)
FREE = re.compile(
    r"\b(LGPL|MIT|BSD|Apache|PSF|MPL|ISC|Artistic)\b|lesser|python software"
    "|gpl.compatible|exception",
    re.IGNORECASE,
)


def needed(root: str = "mmkeras") -> dict[str, importlib.metadata.Distribution]:
    """Returns what is installed of a package's needs, and of theirs."""
    wanted, found = [root], {}
    while wanted:
        name = re.sub(r"[-_.]+", "-", wanted.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for requirement in found[name].requires or ():
            if "extra ==" not in requirement:
                wanted.append(re.match(r"[\w.-]+", requirement)[0])
    return found


def licence(distribution: importlib.metadata.Distribution) -> str:
    """Returns what a package says of its licence, in one line."""
    about = distribution.metadata
    kinds = [
        entry.rpartition(" :: ")[2]
        for entry in about.get_all("Classifier") or ()
        if entry.startswith("License ::")
    ]
    said = about.get("License-Expression") or ", ".join(kinds)
    said = said or (about.get("License") or "not said").strip()
    return said.splitlines()[0][:80]


def is_refused(said: str) -> bool:
    """Whether a licence leaves no choice but the GPL."""
    return bool(REFUSED.search(said)) and not FREE.search(said)


def main() -> int:
    table = {n: licence(d) for n, d in sorted(needed().items())}
    for name, said in table.items():
        print(f"{name:32} {said}")
    refused = [name for name, said in table.items() if is_refused(said)]
    if refused:
        print(f"error: under the GPL: {', '.join(refused)}", file=sys.stderr)
    return int(bool(refused))


if __name__ == "__main__":
    sys.exit(main())

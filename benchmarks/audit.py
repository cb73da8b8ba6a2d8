"""Known holes in what is installed: `make audit`.

`pip-audit` finds nothing where it cannot ask: it says that no hole is known,
of packages of which it knows nothing. Here those are counted, and an audit of
none is an error.

    python benchmarks/audit.py PIP_AUDIT FOLDER
"""

import json
import subprocess
import sys


def main(program: str, folder: str) -> int:
    """Prints holes and counts; 1 if there is a hole, 2 if nobody could say."""
    done = subprocess.run(
        [program, "--path", folder, "--format", "json"],
        capture_output=True, text=True,
    )  # fmt: skip
    try:
        rows = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = done.stderr.strip().splitlines() or ["nothing"]
        return refuse(lines[-1][:300])
    known = [row for row in rows if "skip_reason" not in row]
    if not known:
        return refuse(f"none of {len(rows)} packages is known there")
    holes = [(row, hole) for row in known for hole in row["vulns"]]
    for row, hole in holes:
        mended = ", ".join(hole["fix_versions"]) or "nowhere yet"
        print(f"{row['name']} {row['version']}: {hole['id']}, mended in "
              f"{mended}")  # fmt: skip
    for row in rows:
        if "skip_reason" in row:
            print(f"{row['name']}: not audited ({row['skip_reason']})")
    print(f"{len(known)} of {len(rows)} packages audited, {len(holes)} holes")
    return int(bool(holes))


def refuse(received: str) -> int:
    print(
        "error: An audit must reach the database of holes at pypi.org. "
        f"Received: {received}; nothing was audited",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

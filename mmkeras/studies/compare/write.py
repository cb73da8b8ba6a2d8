"""The folder of a comparison."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmkeras import artefact
from mmkeras.studies.compare.report import render_report, table_rows


def write_comparison(out: Path, report: Mapping[str, Any]) -> dict:
    """Writes JSON, table, pictures, page and, last, the manifest."""
    page, pictures = render_report(report)
    files = ["compare.json", "table.csv", "report.html"]
    (out / artefact.MANIFEST).unlink(missing_ok=True)
    artefact.write_json(out / "compare.json", report)
    text = io.StringIO()
    rows = table_rows(report)
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    artefact.write_text(out / "table.csv", text.getvalue())
    for picture in pictures:
        with artefact.atomic(out / f"{picture.name}.png") as temporary:
            temporary.write_bytes(picture.png)
        files.append(f"{picture.name}.png")
    artefact.write_text(out / "report.html", page)
    return artefact.write_manifest(out, "comparison", files)

"""Writes the folder of a comparison."""

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
    artefact.write_csv(out / "table.csv", table_rows(report))
    for picture in pictures:
        artefact.write_bytes(out / f"{picture.name}.png", picture.png)
        files.append(f"{picture.name}.png")
    artefact.write_text(out / "report.html", page)
    return artefact.write_manifest(out, "comparison", files)

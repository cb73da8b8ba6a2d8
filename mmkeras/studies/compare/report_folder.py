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
    files += [f"{picture.name}.png" for picture in pictures]
    with artefact.replacing(out, "comparison", files) as new:
        artefact.write_json(new / "compare.json", report)
        artefact.write_csv(new / "table.csv", table_rows(report))
        for picture in pictures:
            artefact.write_bytes(new / f"{picture.name}.png", picture.png)
        artefact.write_text(new / "report.html", page)
        return artefact.write_manifest(new, "comparison", files)

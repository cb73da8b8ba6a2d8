"""What the documents say is there, and the front page stays a page."""

import re
from pathlib import Path

import pytest
import typer.main

from mmkeras.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / name / "README.md" for name in ("benchmarks", "data_specs")),
    ROOT / "data_specs" / "recipes" / "README.md",
    ROOT / "export" / "README.md",
]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith("http")]
    lost = [link for link in local if not (page.parent / link).exists()]
    assert lost == []


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_front_page_is_short(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 130
    assert sum(len(line.split()) for line in lines) <= 900


def test_both_languages_tell_the_same_commands_and_links():
    """All that is no prose: code, and where links lead."""

    def told(name):
        text = (ROOT / name).read_text(encoding="utf-8")
        blocks = re.findall(r"^    (\S[^#\n]*?)\s*(?:#.*)?$", text, re.M)
        commands = [
            b for b in blocks if b.startswith(("mmkeras ", "make ", "pip "))
        ]
        code = re.findall(r"```python\n(.*?)```", text, re.S)
        links = {*LINK.findall(text)} - {"README.md", "README.zh-CN.md"}
        return commands, code, sorted(links)

    assert told("README.md") == told("README.zh-CN.md")


def test_every_command_of_the_front_page_is_one():
    known = typer.main.get_command(app).commands
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^    mmkeras (\w[\w-]*)", text, re.M)
    assert len(named) >= 5 and {*named} <= {*known}


def test_every_target_of_make_on_the_front_page_is_one():
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    line = re.search(r"^    Makefile +(.*)$", text, re.M).group(1)
    for target in (
        *re.findall(r"^    make (\w+)", text, re.M),
        *line.split(", "),
    ):
        assert re.search(rf"^{target}:", make, re.M), target

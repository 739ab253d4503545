"""The docs say what is there: links lead somewhere, commands, settings and errors are named, no page is stale."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from types import ModuleType

import click
import pytest

from aivo_luigi.cli import main
from aivo_luigi.config import etl

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", *DOCS, ROOT / "CONTRIBUTING.md", ROOT / "k8s" / "README.md"]
OPERATIONS = ROOT / "docs" / "operations.md"

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def manual() -> str:
    """The README and the docs, on one line, as a reader searches them."""
    return " ".join(" ".join(page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *DOCS]).split())


def script() -> ModuleType:
    """docs/data_dictionary.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("data_dictionary", ROOT / "docs" / "data_dictionary.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchor(heading: str) -> str:
    """The name under which GitHub links to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def messages() -> Iterator[tuple[str, str]]:
    """Where the package makes an error for people, and its message, with … for what differs from case to case."""
    errors = (ROOT / "aivo_luigi" / "errors.py").read_text(encoding="utf-8")
    kinds = re.findall(r"^class (\w+Error)\(", errors, re.MULTILINE)
    for path in sorted((ROOT / "aivo_luigi").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", template(node.args[0])


def template(message: ast.expr) -> str:
    """The text of a string or f-string."""
    parts = message.values if isinstance(message, ast.JoinedStr) else [message]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)


def test_the_data_dictionary_is_what_the_migrations_say(warehouse_url: str) -> None:
    written = (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert script().dictionary(warehouse_url) == written, "run: make docs"


def test_every_table_and_column_has_a_meaning() -> None:
    page = (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert page.count("\n## ") >= 14
    assert [line for line in page.splitlines() if re.match(r"\| \w.*\|\s*\|$", line)] == []
    assert re.findall(r"^## (\w+)\n\n\n", page, re.MULTILINE) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in {anchor(heading) for heading in headings}, target


def test_every_command_and_option_of_aivo_etl_is_named() -> None:
    text = manual()
    assert main.commands
    for name, command in main.commands.items():
        assert f"aivo-etl {name}" in text
        for option in command.params:
            for spelling in (*option.opts, *option.secondary_opts):
                assert spelling in text, f"aivo-etl {name} {spelling}"
    for option in main.get_params(click.Context(main)):
        assert option.opts[-1] in text, f"aivo-etl {option.opts[-1]}"


def test_every_setting_is_explained_with_its_default() -> None:
    text = OPERATIONS.read_text(encoding="utf-8")
    config = ConfigParser()
    config.read(ROOT / "luigi.cfg")
    assert set(config["etl"]) == set(etl.get_param_names())
    for section in set(config.sections()) - {"retcode"}:
        for key, value in config[section].items():
            assert f"| `[{section}]` `{key}` | {value} |" in text, key
    for code in config["retcode"].values():
        assert f"| {code} |" in text, code


def test_every_error_message_is_explained() -> None:
    table = OPERATIONS.read_text(encoding="utf-8").partition("\n## Errors")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    told = [re.compile(re.escape(text).replace("…", ".*")) for row in rows for text in re.findall(r"`([^`]+)`", row)]
    found = dict(messages())
    assert len(found) > 15
    assert {place: text for place, text in found.items() if not any(known.search(text) for known in told)} == {}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_no_tabs_and_no_blanks_at_the_end_of_a_line(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "\t" not in text
    assert [line for line in text.splitlines() if line != line.rstrip()] == []
    assert text.endswith("\n")
    assert not text.endswith("\n\n")

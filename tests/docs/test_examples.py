"""Every Python block of the README and the guides runs, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy
import sqlalchemy.ext.asyncio

import gendurable as gd
from gendurable import migrations
from tests.docs.blocks import blocks, page, run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/guides/*.md"))]
LINKED = [*ROOT.glob("*.md"), *sorted(ROOT.glob("docs/**/*.md"))]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture
def elsewhere(url, tmp_path, monkeypatch):
    """Whatever database a page connects to, it reaches the one of this test."""
    engines, bindings = [], []
    bind = gd.bind

    def keep(engine, **settings):
        bindings.append(bind(engine, **settings))
        return bindings[-1]

    def redirect(module, function):
        original = getattr(module, function)

        def connect(_, **options):
            engines.append(original(url, **options))
            return engines[-1]

        monkeypatch.setattr(module, function, connect)

    monkeypatch.setattr(gd, "bind", keep)
    redirect(sqlalchemy, "create_engine")
    redirect(sqlalchemy.ext.asyncio, "create_async_engine")
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.chdir(tmp_path)
    yield
    for durable in bindings:  # what a connection is lent to would give it back to nobody
        durable.notifier.close()
    for engine in engines:
        if isinstance(engine, sqlalchemy.Engine):
            engine.dispose()
        else:  # its connections belong to an event loop that is gone
            engine.sync_engine.dispose(close=False)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_the_examples_of_a_page_run(path, elsewhere):
    """The blocks of a page, read from top to bottom, are a program that works."""
    with page(path) as module:
        for block in blocks(path):
            if block.info.split(" ")[0] in ("python", "py"):
                run(path, block, module)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_no_example_is_left_out(path):
    """A block of Python that would not be run is marked as text, or made to run."""
    assert [b.line for b in blocks(path) if "python" in b.info and b.info != "python"] == []


@pytest.mark.parametrize("path", LINKED, ids=name)
def test_links_lead_somewhere(path):
    """A link to a file of this repository names one that exists."""
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", path.read_text())

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_guide_names_the_newest_revision():
    """What is copied from it makes a schema that this release runs on; the example looks ahead."""
    text = (ROOT / "docs/guides/migrations.md").read_text()
    named = re.findall(r'to="(gendurable_\d+)"', text)
    newest = migrations.head()
    later = f"gendurable_{int(newest[-4:]) + 1:04}"

    assert named == [newest, later, newest]
    assert f"to `{newest}`." in (ROOT / "CHANGELOG.md").read_text()

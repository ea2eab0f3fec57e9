"""Finding and running the code blocks of a Markdown file."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

from gendurable import machine
from gendurable.machine import isolated

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)$")


@dataclass(frozen=True)
class Block:
    """A fenced block: what stands behind the fence, the code, and the line where it begins."""

    info: str
    code: str
    line: int


def blocks(path: Path) -> Iterator[Block]:
    """Yield the fenced blocks of *path*."""
    info: str | None = None
    body: list[str] = []
    for number, line in enumerate(path.read_text().split("\n"), start=1):
        fence = _FENCE.match(line)
        if info is None and fence:
            info, indent, first, body = fence["info"].strip(), len(fence["indent"]), number + 1, []
        elif info is not None and fence and not fence["info"].strip():
            yield Block(info, "\n".join(body) + "\n", first)
            info = None
        elif info is not None:
            body.append(line[indent:])
    assert info is None, f"{path} ends inside a block"


@contextmanager
def page(path: Path) -> Iterator[ModuleType]:
    """Give a module in which the blocks of *path* run; classes defined there can be found again."""
    module = ModuleType(f"page_{path.stem.replace('-', '_').lower()}")
    sys.modules[module.__name__] = module
    try:
        with isolated():
            machine._defined.clear()  # what other tests have defined may bear the same names
            yield module
    finally:
        del sys.modules[module.__name__]


def run(path: Path, block: Block, module: ModuleType) -> None:
    """Run *block* in *module*; errors show the line of the page. A block may await."""
    tree = ast.parse(block.code, str(path))
    ast.increment_lineno(tree, block.line - 1)
    code: CodeType = compile(tree, str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, vars(module)))
    else:
        exec(code, vars(module))

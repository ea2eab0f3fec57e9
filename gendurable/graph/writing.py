"""A graph as a Mermaid diagram, which Markdown viewers draw."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gendurable.graph.nouns import ENDS, Edge, Graph

#: Words that Mermaid takes for something else.
_RESERVED = frozenset(
    {"state", "note", "direction", "end", "fork", "join", "choice", "as", "class"}
)
_PLAIN = re.compile(r"[A-Za-z_]\w*")


def mermaid(graph: Graph) -> str:
    """Return *graph* as the text of a Mermaid ``stateDiagram-v2``."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: Graph) -> Iterator[str]:
    yield "stateDiagram-v2"
    names = {node.name: _identifier(node.name, n) for n, node in enumerate(graph.steps)}
    handled = any(edge.source is None for edge in graph.edges)
    for name, identifier in names.items():
        yield f'    state "{_plain(name)}" as {identifier}'
    if handled:
        yield '    state "any step that raises" as on_error_'
    yield f"    [*] --> {names[graph.initial]}"
    for edge in graph.edges:
        source = "on_error_" if edge.source is None else names[edge.source]
        if edge.target is None:
            target = "[*]" if edge.kind in ENDS else source
        else:
            target = names[edge.target]
        label = _label(edge)
        yield f"    {source} --> {target}" + (f": {label}" if label else "")


def _label(edge: Edge) -> str:
    if edge.kind in ENDS:
        return "done" if edge.kind == "done" else "failed"
    return _plain(", ".join(edge.label))


def _identifier(name: str, number: int) -> str:
    plain = _PLAIN.fullmatch(name) and name not in _RESERVED
    return name if plain else f"step{number}_"


def _plain(text: str) -> str:
    """Leave out what ends a label or a name in Mermaid."""
    return re.sub(r'[";#\n]', " ", text).replace(":", "：")

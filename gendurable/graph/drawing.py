"""A graph as an SVG picture: no script, no program of others, readable in the dark.

Colours are CSS variables (``--gd-ink`` and so on) with defaults for light and dark, so that a page
that shows the picture may set its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Final

from gendurable.graph.layout import Pair, Spot, lay_out
from gendurable.graph.nouns import Edge, Graph

#: The style of a picture; a page that forbids inline styles puts it into a file of its own.
STYLE: Final = """\
.gd-graph{--gd-ink:#1f2937;--gd-muted:#6b7280;--gd-line:#9ca3af;--gd-box:#ffffff;\
--gd-edge:#cbd5e1;--gd-mark:#2563eb;--gd-mark-box:#dbeafe;--gd-done:#15803d;--gd-failed:#b91c1c;\
--gd-paper:#ffffff;font:13px/1.3 ui-sans-serif,system-ui,sans-serif;max-width:100%;height:auto}
@media (prefers-color-scheme:dark){.gd-graph{--gd-ink:#e5e7eb;--gd-muted:#9ca3af;\
--gd-line:#6b7280;--gd-box:#1f2937;--gd-edge:#4b5563;--gd-mark:#60a5fa;--gd-mark-box:#1e3a5f;\
--gd-done:#4ade80;--gd-failed:#f87171;--gd-paper:#111827}}
.gd-graph text{fill:var(--gd-ink);text-anchor:middle;dominant-baseline:central}
.gd-graph .gd-box rect{fill:var(--gd-box);stroke:var(--gd-edge);stroke-width:1.5}
.gd-graph .gd-here rect{fill:var(--gd-mark-box);stroke:var(--gd-mark);stroke-width:3}
.gd-graph .gd-soft rect{stroke-dasharray:4 3}
.gd-graph .gd-done text{fill:var(--gd-done)}.gd-graph .gd-failed text{fill:var(--gd-failed)}
.gd-graph .gd-first rect{stroke:var(--gd-ink)}
.gd-graph .gd-line{fill:none;stroke:var(--gd-line);stroke-width:1.5}
.gd-graph .gd-head{fill:var(--gd-line);stroke:none}
.gd-graph .gd-label{fill:var(--gd-muted);font-size:11px;paint-order:stroke;\
stroke:var(--gd-paper);stroke-width:4px;stroke-linejoin:round}
.gd-graph .gd-count rect{fill:var(--gd-mark);stroke:none}
.gd-graph .gd-count text{fill:var(--gd-paper);font-size:11px;font-weight:600}
"""

# Boxes that are no steps; a NUL cannot be part of a step's name.
DONE: Final = "\0done"
FAILED: Final = "\0failed"
_ANY: Final = "\0any"
_WORDS: Final = {DONE: "done", FAILED: "failed", _ANY: "any step that raises"}
_MARGIN, _LOOP, _ROW = 14.0, 26.0, 15.0


def svg(
    graph: Graph,
    *,
    highlight: str | None = None,
    counts: Mapping[str, int] | None = None,
    edge_counts: Mapping[tuple[str, str], int] | None = None,
    style: bool = True,
) -> str:
    """Return *graph* as the text of an SVG element.

    Args:
        graph: what ``read`` has found.
        highlight: the step to mark as the present one.
        counts: how many instances stand at each step.
        edge_counts: how often each (source, target) was gone; ``DONE`` and ``FAILED`` are targets,
            too.
        style: False leaves out ``STYLE``, for a page that has it already.
    """
    return (
        "\n".join(_Drawing(graph, highlight, counts or {}, edge_counts or {}).lines(style)) + "\n"
    )


class _Drawing:
    """One picture in the making."""

    def __init__(
        self,
        graph: Graph,
        highlight: str | None,
        counts: Mapping[str, int],
        edge_counts: Mapping[tuple[str, str], int],
    ) -> None:
        self._graph = graph
        self._highlight = highlight
        self._counts = counts
        self._labels: dict[Pair, list[str]] = {}
        for edge in graph.edges:
            pair = _ends(edge)
            rows = self._labels.setdefault(pair, [])
            rows += [row for row in edge.label if row not in rows]
        for pair, count in edge_counts.items():
            if pair in self._labels:
                self._labels[pair].append(f"{count:,} ×")
        self._names = [node.name for node in graph.steps]
        for pair in self._labels:
            self._names += [name for name in pair if name not in self._names]
        self._loops = {pair[0]: rows for pair, rows in self._labels.items() if pair[0] == pair[1]}
        self._layout = lay_out(
            {name: (self._wide(name) + 2 * self._beside(name), 34.0) for name in self._names},
            {pair: _size(rows) for pair, rows in self._labels.items()},
        )

    def lines(self, style: bool) -> Iterator[str]:
        graph, layout = self._graph, self._layout
        width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
        key = f"gd{zlib.crc32(f'{graph.name} {graph.version} {self._highlight}'.encode()):08x}"
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="gd-graph" role="img"'
            f' viewBox="{-_MARGIN:g} {-_MARGIN:g} {width:.0f} {height:.0f}" width="{width:.0f}"'
            f' aria-labelledby="{key}t {key}d">'
        )
        yield f'<title id="{key}t">{escape(graph.name)}, version {graph.version}</title>'
        yield f'<desc id="{key}d">{escape(self._description())}</desc>'
        if style:
            yield f"<style>{STYLE}</style>"
        for pair, way in layout.ways.items():
            yield from _line(way)
            yield from _text(layout.labels[pair], self._labels[pair])
        for name, rows in self._loops.items():
            yield from _loop(layout.boxes[name], self._wide(name), rows)
        for name in self._names:
            yield from self._box(name, layout.boxes[name])
        yield "</svg>"

    def _box(self, name: str, spot: Spot) -> Iterator[str]:
        kinds = ["gd-box"]
        kinds += ["gd-here"] if name == self._highlight else []
        kinds += ["gd-first"] if name == self._graph.initial else []
        kinds += [f"gd-{_WORDS[name]}"] if name in (DONE, FAILED) else []
        kinds += ["gd-soft"] if name in _WORDS else []
        wide = self._wide(name)
        x, y = spot.x - wide / 2, spot.y - spot.height / 2
        doc = next((node.doc for node in self._graph.steps if node.name == name), "")
        yield f'<g class="{" ".join(kinds)}">'
        if doc:
            yield f"<title>{escape(doc)}</title>"
        yield (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}"'
            f' height="{spot.height:.1f}" rx="{17 if name in _WORDS else 6}"/>'
        )
        yield f'<text x="{spot.x:.1f}" y="{spot.y:.1f}">{escape(self._word(name))}</text></g>'
        if count := self._counts.get(name):
            yield from _badge(x + wide, y, f"{count:,}")

    def _word(self, name: str) -> str:
        return _WORDS.get(name, name)

    def _wide(self, name: str) -> float:
        """How wide a box is drawn."""
        return _width(self._word(name)) + 28

    def _beside(self, name: str) -> float:
        """How much room the line from a box to itself needs."""
        rows = self._loops.get(name)
        return 0.0 if rows is None else _LOOP + _size(rows)[0]

    def _description(self) -> str:
        """The picture in words, for who cannot see it."""
        parts = [f"Starts at {self._graph.initial}."]
        for (source, target), rows in self._labels.items():
            on = f" ({', '.join(rows)})" if rows else ""
            parts.append(f"{self._word(source)} to {self._word(target)}{on}.")
        if self._highlight is not None:
            parts.append(f"The present step is {self._highlight}.")
        return " ".join(parts)


def _ends(edge: Edge) -> Pair:
    """Return the boxes that an edge joins."""
    source = _ANY if edge.source is None else edge.source
    if edge.kind in ("done", "stop"):
        return source, DONE if edge.kind == "done" else FAILED
    return source, source if edge.target is None else edge.target


def _width(text: str) -> float:
    """About how wide a text is; letters of many scripts are twice as wide."""
    return sum(7.4 if ord(letter) < 0x2E80 else 13.5 for letter in text)


def _size(rows: list[str]) -> tuple[float, float]:
    return (max(map(_width, rows)) * 0.86 + 8, len(rows) * _ROW) if rows else (0.0, 0.0)


def _line(spots: Sequence[Spot]) -> Iterator[str]:
    """Draw a line through its places, with an arrow at its end."""
    down = spots[0].y < spots[-1].y
    sign = 1 if down else -1
    end = spots[-1].y - sign * spots[-1].height / 2
    path = ""
    for one, next_ in pairwise(spots):
        x1, y1 = one.x, one.y + sign * one.height / 2
        x2, y2 = next_.x, next_.y - sign * (next_.height / 2)
        if next_ is spots[-1]:
            y2 -= sign * 7  # the arrow begins here
        middle = (y1 + y2) / 2
        path += f"M{x1:.1f},{y1:.1f} C{x1:.1f},{middle:.1f} {x2:.1f},{middle:.1f} {x2:.1f},{y2:.1f}"
    yield f'<path class="gd-line" d="{path}"/>'
    x, y = spots[-1].x, end
    yield f'<path class="gd-head" d="M{x:.1f},{y:.1f} l-4.5,{-sign * 8} h9 z"/>'


def _loop(spot: Spot, wide: float, rows: list[str]) -> Iterator[str]:
    """Draw a line from a box to itself, on its right."""
    x, y = spot.x + wide / 2, spot.y
    yield (
        f'<path class="gd-line" d="M{x:.1f},{y - 8:.1f} C{x + _LOOP:.1f},{y - 16:.1f}'
        f' {x + _LOOP:.1f},{y + 16:.1f} {x + 7:.1f},{y + 8:.1f}"/>'
    )
    yield f'<path class="gd-head" d="M{x:.1f},{y + 7:.1f} l8,-4 v9 z"/>'
    width, height = _size(rows)
    place = Spot(None, width, height, 0, x + _LOOP + width / 2, y)
    yield from _text(place, rows)


def _text(spot: Spot, rows: list[str]) -> Iterator[str]:
    top = spot.y - (len(rows) - 1) * _ROW / 2
    for number, row in enumerate(rows):
        yield (
            f'<text class="gd-label" x="{spot.x:.1f}" y="{top + number * _ROW:.1f}">'
            f"{escape(row)}</text>"
        )


def _badge(x: float, y: float, text: str) -> Iterator[str]:
    width = _width(text) + 8
    yield (
        f'<g class="gd-count"><rect x="{x - width / 2:.1f}" y="{y - 9:.1f}" width="{width:.1f}"'
        f' height="18" rx="9"/><text x="{x:.1f}" y="{y:.1f}">{text}</text></g>'
    )

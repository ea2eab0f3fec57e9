"""Where the boxes and lines of a picture go: a layered layout, small and without help.

Nodes stand in layers, each below those that lead to it; lines that lead back are laid out as if
they led down. Between two layers of nodes lies a layer of labels, and a line that crosses a layer
has a place in it, so that neither labels nor lines run through boxes.

Source:
    Sugiyama, Tagawa, Toda: "Methods for visual understanding of hierarchical system structures",
    IEEE Transactions on Systems, Man and Cybernetics, 1981.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeAlias

#: The free space between neighbours of a layer, and between layers.
GAP, SPACE = 28.0, 26.0
#: How wide the place of a line is that passes through a layer.
LINE: Final = 12.0
#: How often the order of the layers, and then the places in them, are bettered.
ROUNDS: Final = 12

Pair: TypeAlias = tuple[str, str]


@dataclass(slots=True)
class Spot:
    """A box, a label, or the place where a line passes through a layer; x and y are its centre."""

    key: object
    width: float
    height: float
    layer: int
    x: float = 0.0
    y: float = 0.0
    above: list[Spot] = field(default_factory=list)
    below: list[Spot] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Layout:
    """The boxes by name, the way of each line from source to target, and the size of it all."""

    boxes: Mapping[str, Spot]
    ways: Mapping[Pair, Sequence[Spot]]
    labels: Mapping[Pair, Spot]
    width: float
    height: float


def lay_out(
    boxes: Mapping[str, tuple[float, float]], lines: Mapping[Pair, tuple[float, float]]
) -> Layout:
    """Return a layout of *boxes* (name: size) and *lines* ((source, target): size of the label).

    The order of *boxes* is the order of the story: where there is a choice, what comes first
    stands first. Lines from a box to itself are left to whoever draws.
    """
    ranks, down = _ranks(list(boxes), [pair for pair in lines if pair[0] != pair[1]])
    spots = {name: Spot(name, *boxes[name], 2 * ranks[name]) for name in boxes}
    layers: list[list[Spot]] = [[] for _ in range(2 * max(ranks.values(), default=0) + 1)]
    for spot in spots.values():
        layers[spot.layer].append(spot)
    ways: dict[Pair, list[Spot]] = {}
    labels: dict[Pair, Spot] = {}
    for pair, (upper, lower) in down.items():
        way = _way(pair, spots[upper], spots[lower], lines[pair], layers)
        labels[pair] = way[1]
        ways[pair] = way if upper == pair[0] else way[::-1]
    _order(layers)
    width = _place_across(layers)
    return Layout(spots, ways, labels, width, _place_down(layers))


def _ranks(names: Sequence[str], pairs: Iterable[Pair]) -> tuple[dict[str, int], dict[Pair, Pair]]:
    """Return the rank of each node, and each pair as (upper, lower): cycles are broken."""
    following: dict[str, list[Pair]] = {name: [] for name in names}
    for pair in pairs:
        following[pair[0]].append(pair)
    down: dict[Pair, Pair] = {}
    finished: list[str] = []
    open_: set[str] = set()

    def visit(name: str) -> None:
        open_.add(name)
        for pair in following[name]:
            target = pair[1]
            back = target in open_
            down[pair] = (target, name) if back else pair
            if not back and target not in finished:
                visit(target)
        open_.discard(name)
        finished.append(name)

    for name in names:
        if name not in finished:
            visit(name)
    ranks = dict.fromkeys(names, 0)
    for name in reversed(finished):
        for upper, lower in down.values():
            if upper == name:
                ranks[lower] = max(ranks[lower], ranks[name] + 1)
    return ranks, down


def _way(
    pair: Pair, upper: Spot, lower: Spot, label: tuple[float, float], layers: list[list[Spot]]
) -> list[Spot]:
    """Give a line its place in each layer that it crosses; in the first one stands its label."""
    way = [upper]
    for layer in range(upper.layer + 1, lower.layer):
        size = label if layer == upper.layer + 1 else (0.0, 0.0)
        spot = Spot(pair, max(LINE, size[0]), size[1], layer)
        layers[layer].append(spot)
        way.append(spot)
    way.append(lower)
    for one, next_ in pairwise(way):
        one.below.append(next_)
        next_.above.append(one)
    return way


def _order(layers: list[list[Spot]]) -> None:
    """Order each layer by the mean place of its neighbours, and keep the order that crosses least.

    (The barycentre heuristic, downwards and upwards in turn.)
    """
    best = [list(layer) for layer in layers]
    fewest = _crossings(best)
    for turn in range(ROUNDS):
        upwards = bool(turn % 2)
        for layer in reversed(layers) if upwards else layers:
            place = {id(s): n for other in layers for n, s in enumerate(other)}

            def mean(spot: Spot, place: dict[int, int] = place, up: bool = upwards) -> float:
                near = spot.below if up else spot.above
                places = [place[id(one)] for one in near] or [place[id(spot)]]
                return sum(places) / len(places)

            layer.sort(key=mean)
        count = _crossings(layers)
        if count < fewest:
            fewest, best = count, [list(layer) for layer in layers]
    for layer, order in zip(layers, best, strict=True):
        layer[:] = order


def _crossings(layers: Sequence[Sequence[Spot]]) -> int:
    place = {id(spot): n for layer in layers for n, spot in enumerate(layer)}
    count = 0
    for layer in layers:
        ends = [(place[id(spot)], place[id(lower)]) for spot in layer for lower in spot.below]
        count += sum(a < c and b > d for a, b in ends for c, d in ends)
    return count


def _place_across(layers: Sequence[Sequence[Spot]]) -> float:
    """Set every x: each spot near the mean of its neighbours, none upon another."""
    for layer in layers:
        x = 0.0
        for spot in layer:
            spot.x = x + spot.width / 2
            x += spot.width + GAP
        for spot in layer:
            spot.x -= (x - GAP) / 2
    for turn in range(ROUNDS):
        for layer in reversed(layers) if turn % 2 else layers:
            wanted = [_mean_x(spot, up=bool(turn % 2)) for spot in layer]
            _spread(layer, wanted)
    left = min((s.x - s.width / 2 for layer in layers for s in layer), default=0.0)
    right = max((s.x + s.width / 2 for layer in layers for s in layer), default=0.0)
    for layer in layers:
        for spot in layer:
            spot.x -= left
    return right - left


def _mean_x(spot: Spot, *, up: bool) -> float:
    near = (spot.below or spot.above) if up else (spot.above or spot.below)
    return sum(one.x for one in near) / len(near) if near else spot.x


def _spread(layer: Sequence[Spot], wanted: Sequence[float]) -> None:
    """Move the spots of a layer to where they want to be, pushing neighbours evenly aside."""
    groups: list[tuple[list[Spot], float]] = []  # spots that touch, and where the first one begins
    for spot, x in zip(layer, wanted, strict=True):
        members, start = [spot], x - spot.width / 2
        while groups:
            before, begin = groups[-1]
            length = sum(one.width + GAP for one in before)
            if begin + length <= start:
                break
            groups.pop()
            n, m = len(before), len(members)
            start = (begin * n + (start - length) * m) / (n + m)
            members = [*before, *members]
        groups.append((members, start))
    for members, start in groups:
        for spot in members:
            spot.x = start + spot.width / 2
            start += spot.width + GAP


def _place_down(layers: Sequence[Sequence[Spot]]) -> float:
    y = 0.0
    for layer in layers:
        height = max((spot.height for spot in layer), default=0.0)
        for spot in layer:
            spot.y = y + height / 2
        y += height + SPACE
    return max(0.0, y - SPACE)

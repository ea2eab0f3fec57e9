"""Pictures of results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

OURS, THEIRS = "#2f6f9f", "#b9c4cc"


def overview(results: Mapping[str, Any], path: Path) -> Path | None:
    """Draw rates beside their floors; None if there are none."""
    pairs = {
        one["title"]: (one["figures"], results[one["floor"]]["figures"])
        for one in results.values()
        if one["unit"] == "/s" and one["figures"] and results.get(one["floor"], {}).get("figures")
    }
    if not pairs:
        return None
    figure, axes = _figure(0.5 * len(pairs) + 1.5)
    for place, (ours, floor) in enumerate(reversed(list(pairs.values()))):
        mine, base = next(iter(ours.values())), next(iter(floor.values()))
        axes.hlines(place, min(mine, base), max(mine, base), color=THEIRS)
        for value, other, color, name in (
            (base, mine, THEIRS, "its floor"),
            (mine, base, OURS, "gendurable"),
        ):
            axes.plot(value, place, "o", color=color, label=None if place else name)
            side, align = (-8, "right") if value < other else (8, "left")
            axes.annotate(f"{value:,.0f}", (value, place), (side, 0), size=7, ha=align, va="center",
                          textcoords="offset points")  # fmt: skip
    axes.set_yticks(range(len(pairs)), list(reversed(pairs)))
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.set_xlabel("per second")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2, frameon=False)
    return _save(figure, path)


def claims(results: Mapping[str, Any], path: Path) -> Path | None:
    """Draw what a claim costs against the size of the table; None for fewer than two sizes."""
    costs = {
        one["size"]: one["figures"]
        for name, one in results.items()
        if name.startswith("claim-") and one["figures"]
    }
    if len(costs) < 2:
        return None
    figure, axes = _figure(3.5)
    axes.plot(list(costs), [one["ms"] for one in costs.values()], marker="o", color=OURS)
    for rows, one in costs.items():
        axes.annotate(f"{one['buffers']:,.0f} buffers", (rows, one["ms"]), (0, 8), fontsize=8,
                      textcoords="offset points", ha="center")  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(bottom=0, top=1.4 * max(one["ms"] for one in costs.values()))
    axes.set_xlabel("rows in the table")
    axes.set_ylabel("ms for a claim of 100")
    return _save(figure, path)


def peers(rates: Mapping[str, Mapping[str, float]], path: Path) -> Path | None:
    """Draw the rates of several systems, one group for each scenario."""
    if not rates:
        return None
    names = list(dict.fromkeys(name for found in rates.values() for name in found))
    figure, axes = _figure(0.28 * sum(len(found) + 1 for found in rates.values()) + 1.2)
    place, ticks, labels = 0.0, [], []
    for scenario, found in reversed(list(rates.items())):
        for name in reversed(names):
            if name in found:
                color = OURS if name == "gendurable" else THEIRS
                axes.plot(found[name], place, "o", color=color)
                axes.text(found[name], place, f"   {name} {found[name]:,.0f}", va="center", size=7)
                place += 1
        ticks.append(place - (len(found) + 1) / 2)
        labels.append(scenario)
        place += 1
    axes.set_yticks(ticks, labels)
    axes.set_xscale("log")
    axes.set_xlabel("per second")
    axes.set_xlim(right=8 * max(max(found.values()) for found in rates.values()))
    return _save(figure, path)


def _figure(height: float) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, height))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    pyplot.close(figure)
    return path

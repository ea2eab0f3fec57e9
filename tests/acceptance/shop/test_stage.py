"""The stage around the shop: the plan, the clock, the carrier, and a short show from end to end."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter

import pytest

from examples.shop import shipping
from examples.shop.stage import plan
from examples.shop.stage.carrier import open_office
from examples.shop.stage.processes import ROOT
from examples.shop.stage.timeline import Timeline


def test_the_plan_is_drawn_from_its_seed():
    """A seed gives the same customers every time, another seed others, and each kind is there."""
    journeys = plan.draw(1, 200, 30)

    assert journeys == plan.draw(1, 200, 30)
    assert journeys != plan.draw(2, 200, 30)
    assert {one.fate for one in journeys} == set(plan.Fate)


def test_the_carrier_makes_one_label_for_a_key(monkeypatch):
    """However often a key is asked for, and however the answers go, there is one label."""
    monkeypatch.setattr("examples.shop.stage.carrier.STALL", 0.2)
    monkeypatch.setattr(shipping, "PATIENCE", 0.1)
    with open_office(0, seed=1) as office:
        threading.Thread(target=office.serve_forever, daemon=True).start()
        monkeypatch.setattr(shipping, "CARRIER_URL", f"http://127.0.0.1:{office.server_address[1]}")
        answers = Counter(_ask(f"key-{number % 10}") for number in range(60))
        office.shutdown()

    labels = {answer for answer in answers if answer.startswith("key")}
    assert len(labels) == 10
    assert answers["no answer"] > 0


def _ask(key: str) -> str:
    try:
        return f"{key}: {shipping.book_label(key, 'mug', 1)}"
    except OSError:
        return "no answer"


def test_the_timeline_is_over_when_everything_is_done():
    """What is scheduled by something that runs is waited for, in the order of its time."""
    done: list[str] = []
    over = threading.Event()
    timeline = Timeline(threads=1)
    timeline.after(0.02, lambda: done.append("second"))
    timeline.after(0, lambda: (done.append("first"), timeline.after(0.05, over.set))[0])

    assert not timeline.is_over()
    assert over.wait(10)
    assert done == ["first", "second"]
    timeline.close()


@pytest.mark.slow
def test_a_short_show_ends_without_differences():
    """``make demo`` in small: real processes, real kills, and nothing lost or doubled."""
    show = subprocess.run(
        [sys.executable, "-m", "examples.shop", "--orders=60", "--seconds=6", "--kills=3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert show.returncode == 0, show.stdout + show.stderr
    assert "0 differences" in show.stdout

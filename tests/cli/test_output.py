"""Tables: as wide as there is room for, and nothing in them that says nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gendurable.cli.output import ago, table

HEADS = ("id", "status", "age", "queue", "count", "error")
ROWS = [
    (7, "awaiting_signal", "3 s", "checkout", 1, None),
    (1234, "failed", "20 min", "mail", 22, "the carrier does not take pianos"),
]


@pytest.fixture
def printed(monkeypatch, capsys):
    """Print a table on so many columns; return its lines."""

    def printed(columns: int, heads=HEADS, rows=ROWS, **options) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        table(heads, rows, **options)
        return capsys.readouterr().out.splitlines()

    return printed


def test_with_room_for_all(printed):
    """Numbers to the right, words to the left, no blanks at the end."""
    assert printed(100, spare=("age",)) == [
        "   id  status           age     queue     count  error",
        "    7  awaiting_signal  3 s     checkout      1",
        "1,234  failed           20 min  mail         22  the carrier does not take pianos",
    ]


def test_what_is_spare_goes_first(printed):
    """One after the other, and no more than need be."""
    assert printed(74, spare=("age", "queue"))[0].split() == [
        "id", "status", "queue", "count", "error",
    ]  # fmt: skip
    assert printed(60, spare=("age", "queue"))[0].split() == ["id", "status", "count", "error"]


def test_long_texts_are_folded_and_words_are_not(printed):
    """A line is never longer than the terminal is wide."""
    lines = printed(55, spare=("age", "queue"))

    assert max(map(len, lines)) <= 55
    assert "awaiting_signal" in lines[1]
    assert " ".join(line[30:].strip() for line in lines[2:]) == "the carrier does not take pianos"


def test_columns_in_which_nothing_stands_are_left_out(printed):
    """And heads that say nothing are no line."""
    assert printed(80, rows=ROWS[:1])[0].split()[-1] == "count"
    assert printed(80, heads=("", ""), rows=[("fsm", "Order")]) == ["fsm  Order"]
    assert printed(80, rows=[], empty="no such instances") == ["no such instances"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (5_400, "90 min"),
        (7_200, "2 h"),
        (-200_000, "in 2 d"),
    ],
)
def test_ages(seconds, words):
    """In the largest unit of which there are two."""
    assert ago(float(seconds)) == words
    assert ago(datetime.now(UTC) - timedelta(seconds=seconds + 0.1)) == words
    assert ago(None) == ""

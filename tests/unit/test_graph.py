"""Graphs: what is read from the code of a machine, what is odd in it, and how it is drawn."""

from __future__ import annotations

import re
from datetime import timedelta
from xml.etree import ElementTree

import pytest

import gendurable as gd
from examples.shop import machines as shop
from gendurable import graph

WINDOW = timedelta(minutes=90)


class Paid(gd.Signal):
    amount: int


class Item(gd.FSM, name="graph.Item"):
    @gd.step
    def only(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done()


class Order(gd.FSM, name="graph.Order"):
    """Every kind of outcome, and the ways to write a target."""

    where: str = "ship"

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        """Take the order."""
        if ctx.attempt:
            return gd.Retry(30)
        return gd.Await([Paid, "waived"], then=self.pack, timeout=WINDOW)

    @gd.step(retry=gd.Backoff(attempts=7))
    def pack(self, ctx: gd.Context) -> gd.Outcome:
        target = self.start if ctx.attempt else Order.ship
        if ctx.timed_out:
            return gd.Next(target, delay=86_400)
        return self._send()

    def _send(self) -> gd.Outcome:
        return gd.ScheduleChildren([Item(), Item()], then="book", quorum=1, timeout=5)

    @gd.step(name="book")
    def ship(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done() if ctx.children else gd.Stop("nothing")

    def handle(self, error: Exception, ctx: gd.Context, /) -> gd.Outcome:
        return gd.Next(self.ship)


def edges(cls: type[gd.FSM]) -> set[tuple[str | None, str | None, str]]:
    return {(edge.source, edge.target, edge.kind) for edge in graph.read(cls).edges}


def only(cls: type[gd.FSM], kind: str, source: str | None = None) -> graph.Edge:
    found = [e for e in graph.read(cls).edges if e.kind == kind and source in (None, e.source)]
    assert len(found) == 1
    return found[0]


class TestRead:
    def test_finds_every_outcome_and_where_it_leads(self):
        """Bound methods, class attributes, names, both arms, locals, helpers and ``handle``."""
        assert edges(Order) == {
            ("start", "start", "retry"),
            ("start", "pack", "await"),
            ("pack", "start", "next"),
            ("pack", "book", "next"),
            ("pack", "book", "children"),
            ("pack", "pack", "retry"),
            ("book", None, "done"),
            ("book", None, "stop"),
            (None, "book", "next"),
        }
        assert graph.read(Order).problems == ()

    def test_knows_what_is_waited_for_and_until_when(self):
        """Signals by their names, durations as people say them."""
        parked = only(Order, "await")
        assert parked.signals == ("Paid", "waived")
        assert parked.deadline == "90 min"
        assert only(Order, "retry", "start").delay == "30 s"
        assert only(Order, "retry", "pack").note == "up to 7 attempts"
        children = only(Order, "children")
        assert (children.children, children.deadline) == (("graph.Item",), "5 s")
        assert children.note == "until 1 are done"

    def test_steps_carry_their_first_line(self):
        """A step says what it does, and where the story starts."""
        first = graph.read(Order).steps[0]
        assert first == graph.Node("start", "Take the order.", initial=True)

    def test_a_job_has_one_step(self):
        """It ends well, or fails when its attempts are spent."""

        class Mail(gd.Job, max_attempts=3):
            def perform(self, ctx: gd.Context) -> None: ...

        assert edges(Mail) == {
            ("perform", "perform", "retry"),
            ("perform", None, "done"),
            ("perform", None, "stop"),
        }

    def test_reads_the_shop(self):
        """A real machine is read without a question left."""
        assert graph.read(shop.Checkout).problems == ()
        assert only(shop.Checkout, "children").children == ("Ship",)

    def test_refuses_what_is_no_machine(self):
        """Anything else is a mistake of the caller."""
        with pytest.raises(TypeError, match="no FSM or Job class"):
            graph.read(int)  # type: ignore[arg-type]


class TestProblems:
    def test_a_target_that_does_not_exist_is_wrong(self):
        """A name that no step bears, and a method that is none."""

        class Lost(gd.FSM):
            @gd.step
            def start(self, ctx: gd.Context) -> gd.Outcome:
                if ctx.attempt:
                    return gd.Next("nowhere")
                return gd.Next(self.helper if ctx.timed_out else self.gone)  # type: ignore[attr-defined]

            def helper(self) -> None: ...

        found = graph.read(Lost).problems
        assert [one.kind for one in found] == ["unknown"] * 3
        assert all(one.wrong for one in found)
        assert "goes to 'nowhere'" in str(found[0])
        assert "self.helper" in str(found[1])
        assert "no attribute" in str(found[2])

    def test_a_target_that_only_running_would_tell_is_said(self):
        """A field, a call: not wrong, and then unreachable steps may be reached after all."""

        class Vague(gd.FSM):
            goal: str = "end"

            @gd.step(initial=True)
            def start(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Next(self.goal)

            @gd.step
            def end(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Await(self.goal, then="end")

        kinds = [one.kind for one in graph.read(Vague).problems]
        assert kinds == ["unreadable", "unreadable", "unreachable"]
        assert "unless" in str(graph.read(Vague).problems[-1])
        assert not any(one.wrong for one in graph.read(Vague).problems)

    def test_a_step_that_nothing_leads_to_is_said(self):
        """Two that lead to each other only are as lost as one."""

        class Island(gd.FSM):
            @gd.step(initial=True)
            def start(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Done()

            @gd.step
            def one(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Next(self.two)

            @gd.step
            def two(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Next(self.one)

        assert [(p.kind, p.step) for p in graph.read(Island).problems] == [
            ("unreachable", "one"),
            ("unreachable", "two"),
        ]

    def test_a_signal_that_no_machine_sends_is_said(self):
        """Unless a step of the catalogue sends it, by class or by name."""

        class Payer(gd.FSM):
            order: int

            @gd.step
            def pay(self, ctx: gd.Context) -> gd.Outcome:
                ctx.durable.signal(self.order, Paid(amount=1), session=ctx.session)
                return gd.Done()

        read = graph.read(Order)
        assert [one.step for one in graph.unsent(read, [Payer])] == ["start"]
        assert "'waived'" in str(graph.unsent(read, [Payer])[0])
        assert len(graph.unsent(read, [Order])) == 2

    def test_source_that_is_not_there_is_said(self):
        """A class made at a prompt has steps, and nothing to read."""
        space: dict[str, object] = {"gd": gd}
        exec(
            "class Typed(gd.FSM):\n    @gd.step\n    def start(self, ctx): return gd.Done()",
            space,
        )

        assert [one.kind for one in graph.read(space["Typed"]).problems] == ["unreadable"]  # type: ignore[arg-type]


class TestMermaid:
    def test_draws_every_edge(self):
        """Start, ends, labels, and the way of an error."""
        assert graph.mermaid(graph.read(Order)).splitlines() == [
            "stateDiagram-v2",
            '    state "start" as start',
            '    state "pack" as pack',
            '    state "book" as book',
            '    state "any step that raises" as on_error_',
            "    [*] --> start",
            "    start --> start: retry, after 30 s",
            "    start --> pack: Paid | waived, or after 90 min",
            "    pack --> start: after 1 d",
            "    pack --> book: after 1 d",
            "    pack --> book: children graph.Item, until 1 are done, or after 5 s",
            "    pack --> pack: retry, up to 7 attempts",
            "    book --> [*]: done",
            "    book --> [*]: failed",
            "    on_error_ --> book",
        ]

    def test_odd_names_cannot_break_it(self):
        """What would end a label, or mean something else, is replaced."""

        class Odd(gd.FSM):
            @gd.step(initial=True, name='end"; x')
            def start(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Await("order:paid\n;", then=self.state)

            @gd.step
            def state(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Done()

        text = graph.mermaid(graph.read(Odd))
        assert '    state "end   x" as step0_\n' in text
        assert "    step0_ --> step1_: order：paid  \n" in text


class TestSvg:
    def test_is_a_picture_with_a_title_and_a_description(self):
        """Well-formed, and readable by who does not see it."""
        root = ElementTree.fromstring(graph.svg(graph.read(Order), highlight="pack"))
        spaces = {"s": "http://www.w3.org/2000/svg"}
        title, description = root.find("s:title", spaces), root.find("s:desc", spaces)
        assert title is not None
        assert description is not None
        assert title.text == "graph.Order, version 1"
        assert "start to pack (Paid | waived, or after 90 min)." in (description.text or "")
        assert "The present step is pack." in (description.text or "")
        assert root.get("role") == "img"
        assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"

    def test_marks_and_counts(self):
        """The present step, how many stand where, and how often a line was gone."""
        text = graph.svg(
            graph.read(Order),
            highlight="pack",
            counts={"start": 1234, "pack": 0},
            edge_counts={("start", "pack"): 17, ("book", "start"): 3, ("book", graph.DONE): 5},
        )
        assert text.count('class="gd-box gd-here"') == 1
        assert text.count('class="gd-count"') == 1
        assert ">1,234<" in text
        assert ">17 ×<" in text
        assert ">5 ×<" in text
        assert ">3 ×<" not in text  # there is no such line

    def test_is_at_home_in_any_theme(self):
        """Every colour is a variable, with a value for the dark; a page may bring the style."""
        text = graph.svg(graph.read(Order))
        assert "prefers-color-scheme:dark" in text
        assert not re.search(r'(fill|stroke)="#', text)
        assert "<style>" not in graph.svg(graph.read(Order), style=False)

    def test_names_cannot_break_out(self):
        """A step's name is text in the picture, whatever it is."""

        class Evil(gd.FSM, name="<script>"):
            @gd.step(name="</text><script>alert(1)</script>")
            def start(self, ctx: gd.Context) -> gd.Outcome:
                """<b>&."""
                return gd.Done()

        text = graph.svg(graph.read(Evil))
        ElementTree.fromstring(text)
        assert "<script>" not in text

    @pytest.mark.parametrize("cls", [Order, Item, shop.Checkout, shop.Ship])
    def test_nothing_lies_upon_another(self, cls):
        """Boxes and labels keep their distance, and all of it is inside the picture."""
        picture = graph.svg(graph.read(cls))
        size = re.search(r'viewBox="\S+ \S+ (\d+) (\d+)"', picture)
        assert size is not None
        boxes = [
            tuple(map(float, one))
            for one in re.findall(
                r'<rect x="([\d.-]+)" y="([\d.-]+)" width="([\d.]+)" height="([\d.]+)"', picture
            )
        ]
        assert len(boxes) >= len(graph.read(cls).steps)
        for n, (x, y, w, h) in enumerate(boxes):
            assert x >= 0
            assert y >= 0
            assert x + w <= float(size[1])
            assert y + h <= float(size[2])
            for a, b, c, d in boxes[:n]:
                assert x + w <= a or a + c <= x or y + h <= b or b + d <= y

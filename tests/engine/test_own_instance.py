"""What a step may do to other instances, and what it may not do to its own."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import create_engine

import gendurable as gd
from gendurable.errors import InvalidInput
from gendurable.testing import drain, fire_timeouts
from tests.engine.script import Note, Scripted

#: What a step may try on an instance, by name.
CALLS = {
    "cancel": lambda durable, me, **kw: durable.cancel(me, "no", **kw),
    "cascade": lambda durable, me, **kw: durable.cancel(me, "no", cascade=True, **kw),
    "pause": lambda durable, me, **kw: durable.pause(me, **kw),
    "resume": lambda durable, me, **kw: durable.resume(me, **kw),
    "rewind": lambda durable, me, **kw: durable.rewind(me, to="then", **kw),
    "patch": lambda durable, me, **kw: durable.patch_state(me, {"count": 1}, **kw),
    "retry": lambda durable, me, **kw: durable.retry(me, **kw),
    "children": lambda durable, me, **kw: durable.schedule_children(
        me, [gd.Spawn(Scripted(), queue="later")], **kw
    ),
}


class TestOnItself:
    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize("by_key", [False, True])
    @pytest.mark.parametrize("how", ["untouched", "in the session", "beside it"])
    def test_refused(self, durable, script, row, call, by_key, how):
        """Only an outcome may move the instance whose step is running; nothing waits for ever."""

        def start(obj, ctx):
            me = "me" if by_key else ctx.id
            options = {}
            if how != "untouched":  # and the row is locked by the step's own session
                durable.signal(ctx.id, "go", session=ctx.session)
            if how == "in the session":
                options["session"] = ctx.session
            with pytest.raises(InvalidInput, match="own instance"):
                CALLS[call](durable, me, **options)
            return gd.Done("went on")

        script["start"] = start
        id = durable.insert(Scripted(), correlation_key="me")

        assert in_time(drain, durable) == {"done": 1}
        assert row(id).result == "went on"

    @pytest.mark.parametrize("call", CALLS)
    def test_refused_by_another_binding(self, durable, script, row, call):
        """Whatever a binding is called, it is the same instance in the same tables."""
        other = gd.bind(create_engine(durable.engine.url), name="other")

        def start(obj, ctx):
            with pytest.raises(InvalidInput, match="own instance"):
                CALLS[call](other, ctx.id)
            return gd.Done("went on")

        script["start"] = start
        id = durable.insert(Scripted())

        assert in_time(drain, durable) == {"done": 1}
        assert row(id).result == "went on"
        other.engine.dispose()

    @pytest.mark.parametrize("how", ["untouched", "in the session", "beside it"])
    def test_by_cascade(self, durable, script, row, how):
        """A cascade that would reach it is refused before it has ended anybody."""
        family = []

        def start(obj, ctx):
            family.append(ctx.id)
            if len(family) < 3:
                return gd.ScheduleChildren([Scripted()], "then")
            options = {}
            if how != "untouched":
                durable.signal(ctx.id, "go", session=ctx.session)
            if how == "in the session":
                options["session"] = ctx.session
            with pytest.raises(InvalidInput, match="own instance"):
                durable.cancel(family[0], "no", cascade=True, **options)
            durable.signal(family[0], "still there", **options)
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted())

        assert in_time(drain, durable) == {"children": 2, "done": 3}
        assert [row(id).status for id in family] == ["done"] * 3

    def test_others_are_fair_game(self, durable, script, row):
        """Its parent may be cancelled alone, and whoever is not its ancestor with all the rest."""
        script["start"] = lambda obj, ctx: gd.Await("go", "then")
        stranger = durable.insert(Scripted())
        drain(durable)

        def start(obj, ctx):
            if ctx.parent_id is None:
                return gd.ScheduleChildren([Scripted()], "then")
            assert durable.cancel(ctx.parent_id, "alone", session=ctx.session)
            assert durable.cancel(stranger, "no", cascade=True, session=ctx.session)
            return gd.Done()

        script["start"] = start
        parent = durable.insert(Scripted())

        assert drain(durable) == {"children": 1, "done": 1}
        assert row(parent).status == row(stranger).status == "cancelled"

    @pytest.mark.parametrize("call", [name for name in CALLS if name != "retry"])
    @pytest.mark.parametrize("how", ["beside it", "where", "in the session"])
    def test_its_children_beside_the_session(self, durable, script, row, call, how):
        """What has ended a child in the session holds the parent, as which the step is running."""

        def then(obj, ctx):
            one, two = (child.id for child in ctx.children)
            if how == "where" and call not in ("cancel", "pause"):
                return gd.Done()
            durable.cancel(one, "through", session=ctx.session)
            if how == "in the session":
                CALLS[call](durable, two, session=ctx.session)
                return gd.Done()
            with pytest.raises(InvalidInput, match=r"session=ctx\.session"):
                if how == "beside it":
                    CALLS[call](durable, two)
                elif call == "pause":
                    durable.pause(where=gd.Instance.id == two)
                else:
                    durable.cancel(where=gd.Instance.id == two, reason="no")
            return gd.Done()

        script["start"] = lambda obj, ctx: gd.ScheduleChildren(
            [gd.Spawn(Scripted(), queue="later")] * 2, "then", timeout=60
        )
        script["then"] = then
        id = durable.insert(Scripted())
        drain(durable, queue="default")
        fire_timeouts(durable)

        assert in_time(lambda: drain(durable, queue="default")) == {"done": 1}
        assert row(id).status == "done"

    def test_its_children_with_an_untouched_session(self, durable, script, row):
        """Nothing is held, so nothing waits."""
        script["start"] = lambda obj, ctx: gd.ScheduleChildren(
            [gd.Spawn(Scripted(), queue="later")] * 2, "then", timeout=60
        )
        script["then"] = lambda obj, ctx: (
            ctx.session.add(Note(text="touched")),
            gd.Done([durable.cancel(child.id, "no") for child in ctx.children]),
        )[1]
        id = durable.insert(Scripted())
        drain(durable, queue="default")
        fire_timeouts(durable)

        assert in_time(lambda: drain(durable, queue="default")) == {"done": 1}
        assert row(id).result == [True, True]

    def test_a_label_is_not_its_name(self, durable, script, row):
        """A step may cancel the holder of a key that its own instance bears as a mere label."""
        script["start"] = lambda obj, ctx: gd.Await("go", "then")
        holder = durable.insert(Scripted(), correlation_key="k")
        drain(durable)

        def start(obj, ctx):
            ctx.session.add(Note(text="touched"))
            return gd.Done([durable.signal("k", "other"), durable.cancel("k", "no")])

        script["start"] = start
        id = durable.insert(Scripted(), correlation_key="k", correlation_scope=None)
        drain(durable)

        assert row(id).result == [True, True]
        assert row(holder).status == "cancelled"

    def test_signal_through_the_session(self, durable, script, row):
        """A signal to itself is an ordinary one: found at the next park, gone with a failure."""

        def start(obj, ctx):
            assert durable.signal(ctx.id, "go", 7, session=ctx.session)
            if ctx.attempt == 0:
                raise ValueError("no")
            return gd.Await("go", "then")

        script["start"] = start
        script["handle"] = lambda obj, ctx: gd.Retry()
        script["then"] = lambda obj, ctx: gd.Done([one.payload for one in ctx.awaited])
        id = durable.insert(Scripted())

        assert drain(durable) == {"retry": 1, "await": 1, "done": 1}
        assert row(id).result == [7]

    def test_signal_before_the_touch(self, durable, script, row):
        """Without a session it is stored at once, whatever comes of the step."""

        def start(obj, ctx):
            durable.signal(ctx.id, "go", ctx.attempt)
            if ctx.attempt == 0:
                raise ValueError("no")
            return gd.Await("go", "then")

        script["start"] = start
        script["handle"] = lambda obj, ctx: gd.Retry()
        script["then"] = lambda obj, ctx: gd.Done([one.payload for one in ctx.awaited])
        id = durable.insert(Scripted())
        drain(durable)

        assert row(id).result == [0, 1]

    @pytest.mark.parametrize("by_key", [False, True])
    def test_signal_beside_the_session(self, durable, script, by_key):
        """Once the session is open a signal beside it is refused, since it might wait for it."""

        def start(obj, ctx):
            ctx.session.add(Note(text="a"))
            with pytest.raises(InvalidInput, match=r"session=ctx\.session"):
                durable.signal("me" if by_key else ctx.id, "go")
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted(), correlation_key="me")

        assert drain(durable) == {"done": 1}

    def test_of_another_binding(self, durable, url, engine, script, row):
        """The same number in another schema is another instance."""
        other = gd.bind(engine, schema="elsewhere")
        other.create_schema()
        script["start"] = lambda obj, ctx: gd.Await("go", "then")
        there = other.insert(Scripted())
        script["start"] = lambda obj, ctx: gd.Done(other.cancel(ctx.id, "no", session=ctx.session))
        here = durable.insert(Scripted())
        assert int(here) == int(there)
        drain(durable)

        assert row(here).result is True
        assert other.instance(there).status == "cancelled"


def in_time(call, *args):
    """Return what *call* returns; fail if it hangs, as on a lock that it holds itself."""
    answer = []
    thread = threading.Thread(target=lambda: answer.append(call(*args)), daemon=True)
    thread.start()
    thread.join(20)
    assert answer, "it waits for itself"
    return answer[0]

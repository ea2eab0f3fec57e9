"""News of work: after the commit and never before, to every process, from any kind of session."""

from __future__ import annotations

import gc
import json
import os
import threading
from queue import Empty, SimpleQueue
from time import monotonic

import pytest
import transaction
import zope.sqlalchemy
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from gendurable.runtime.announcer import PAYLOAD, payloads
from gendurable.runtime.loop import Outage
from gendurable.runtime.notifier import Listener, Notifier

WORK = text("CREATE TEMPORARY TABLE IF NOT EXISTS work (n int)")


@pytest.fixture
def notifier(engine):
    notifier = Notifier(engine, name="test", channel="gendurable")
    yield notifier
    notifier.close()


@pytest.fixture
def news(notifier) -> SimpleQueue:
    """What is told in this process."""
    news: SimpleQueue = SimpleQueue()
    notifier.subscribe(news.put)
    return news


@pytest.fixture
def abroad(url):
    """What is heard in another process: another notifier, whose words are not its own."""
    engine = create_engine(url)
    other = Notifier(engine, name="other", channel="gendurable")
    heard: SimpleQueue = SimpleQueue()
    other.subscribe(heard.put)
    listener = Listener(other, Outage("other"))
    listener.daemon.start()
    assert heard.get(timeout=5) is None  # listening now: anything may have happened before
    yield heard
    listener.stop()
    assert listener.daemon.join(5)
    engine.dispose()


def quiet(queue: SimpleQueue) -> bool:
    """Whether nothing comes; the turn of the background thread is waited for elsewhere."""
    try:
        queue.get(timeout=0.05)
    except Empty:
        return True
    return False


class TestAnnounce:
    def test_is_heard_here_and_elsewhere(self, notifier, news, abroad):
        """What was committed is told at once in this process, and by NOTIFY to others."""
        notifier.announce({"a", "b"})

        assert news.get_nowait() == {"a", "b"}
        assert abroad.get(timeout=5) == {"a", "b"}

    def test_is_grouped(self, notifier, abroad):
        """What comes while a NOTIFY is on its way goes together, each queue once."""
        hold, held = threading.Event(), threading.Event()
        announcer = notifier._background()
        notify = announcer._notify

        def slowly(queues):
            held.set()
            hold.wait(5)
            notify(queues)

        announcer._notify = slowly
        notifier.announce({"first"})
        held.wait(5)
        for n in range(100):
            notifier.announce({"a", f"q{n % 2}"})
        hold.set()

        assert abroad.get(timeout=5) == {"first"}
        assert abroad.get(timeout=5) == {"a", "q0", "q1"}

    def test_what_comes_during_the_pause_is_told_after_it(self, notifier, abroad, eventually):
        """Between two NOTIFYs the thread sleeps, and looks by itself for what has come since."""
        announcer = notifier._background()
        woken = []
        wake = announcer.daemon.wake
        announcer.daemon.wake = lambda: (woken.append(None), wake())
        notifier.announce({"first"})
        assert abroad.get(timeout=5) == {"first"}
        announcer._next = monotonic() + 3600

        notifier.announce({"second"})
        eventually(lambda: announcer._pacing)
        notifier.announce({"third"})

        assert len(woken) == 2
        assert 3000 < announcer.tick() <= 3600
        announcer._next = 0.0
        wake()
        assert abroad.get(timeout=5) == {"second", "third"}

    def test_ones_own_words_are_not_heard_again(self, engine, notifier, news):
        """A process that listens does not hear itself: it was told directly."""
        listener = Listener(notifier, Outage("test"))
        listener.daemon.start()
        assert news.get(timeout=5) is None
        notifier.announce({"a"})
        assert news.get(timeout=5) == {"a"}
        with engine.connect() as conn:
            conn.execute(text('NOTIFY gendurable, \'["somebody", "b"]\''))
            conn.commit()

        assert news.get(timeout=5) == {"b"}
        listener.stop()
        listener.daemon.join(5)

    def test_strange_words_are_a_hint(self, engine, abroad):
        """A NOTIFY that is not ours makes workers look, and harms nobody."""
        with engine.connect() as conn:
            conn.execute(text("NOTIFY gendurable, 'hello'"))
            conn.commit()

        assert abroad.get(timeout=5) is None

    def test_long_lists_are_split(self):
        """Each payload fits into a NOTIFY, whatever the queues are called."""
        queues = ["ß" * 250 + str(n) for n in range(100)]

        texts = list(payloads("token", queues))

        assert max(len(text.encode()) for text in texts) <= PAYLOAD
        assert [queue for text in texts for queue in json.loads(text)[1:]] == queues


class TestOnCommit:
    def test_a_connection(self, engine, notifier, news, abroad):
        """News of a caller's transaction is told when that has committed."""
        with engine.connect() as conn:
            conn.execute(WORK)
            notifier.announce_on_commit(conn, {"a"})
            assert news.empty()
            conn.commit()

        assert news.get(timeout=5) == {"a"}
        assert abroad.get(timeout=5) == {"a"}

    def test_is_told_after_the_commit_and_not_at_it(self, engine, notifier):
        """Whoever hears the news sees the rows."""
        seen: SimpleQueue = SimpleQueue()
        with engine.begin() as conn:
            conn.execute(text("CREATE TABLE public.work (n int)"))

        def look(queues) -> None:
            with engine.connect() as other:
                seen.put(other.scalar(text("SELECT count(*) FROM public.work")))

        notifier.subscribe(look)
        for n in range(1, 20):
            with Session(engine) as session, session.begin():
                session.execute(text("INSERT INTO public.work VALUES (1)"))
                notifier.announce_on_commit(session, {"a"})
            assert seen.get(timeout=5) == n

    def test_a_rollback_tells_nothing(self, engine, notifier, news):
        """What was rolled back is not told, nor is it by a later commit."""
        with Session(engine) as session:
            session.execute(WORK)
            notifier.announce_on_commit(session, {"gone"})
            session.rollback()
            session.execute(WORK)
            notifier.announce_on_commit(session, {"a"})
            session.commit()

        assert news.get(timeout=5) == {"a"}

    def test_a_released_savepoint_is_told_with_the_transaction(self, engine, notifier, news):
        """The end of a savepoint is not the end of the transaction."""
        with Session(engine) as session, session.begin():
            with session.begin_nested():
                with session.begin_nested():
                    notifier.announce_on_commit(session, {"a"})
                notifier.announce_on_commit(session, {"b"})
            assert quiet(news)

        assert news.get(timeout=5) == {"a", "b"}

    def test_a_savepoint_that_is_rolled_back_tells_nothing(self, engine, notifier, news):
        """What hung on the savepoint is dropped, what was before and after is told."""
        with Session(engine) as session, session.begin():
            notifier.announce_on_commit(session, {"before"})
            outer = session.begin_nested()
            notifier.announce_on_commit(session, {"gone"})
            with session.begin_nested():
                notifier.announce_on_commit(session, {"gone too"})
            outer.rollback()
            with session.begin_nested():
                notifier.announce_on_commit(session, {"after"})

        assert news.get(timeout=5) == {"before", "after"}

    def test_a_session_in_somebodys_transaction(self, engine, notifier, news):
        """A session whose commits are savepoints of an outer transaction tells at its end."""
        with engine.connect() as conn, conn.begin():
            with Session(conn, join_transaction_mode="create_savepoint") as session:
                session.execute(WORK)
                notifier.announce_on_commit(session, {"a"})
                session.commit()
            assert quiet(news)

        assert news.get(timeout=5) == {"a"}

    def test_a_transaction_that_is_dropped(self, engine, notifier):
        """What was never ended is rolled back, and its connection is the pool's again."""

        def work() -> None:
            session = Session(engine)
            session.execute(WORK)
            notifier.announce_on_commit(session, {"gone"})
            session.begin_nested()
            notifier.announce_on_commit(session, {"gone too"})
            assert engine.pool.checkedout() == 1

        work()
        gc.collect()

        assert engine.pool.checkedout() == 0

    @pytest.mark.parametrize("two_phase", [False, True])
    def test_zope_sqlalchemy(self, engine, notifier, news, two_phase):
        """Sessions that a transaction manager commits tell too, in two phases as well."""
        factory = scoped_session(sessionmaker(engine, twophase=two_phase))
        zope.sqlalchemy.register(factory)
        factory.execute(WORK if not two_phase else text("SELECT 1"))
        zope.sqlalchemy.mark_changed(factory())
        notifier.announce_on_commit(factory, {"a"})
        assert quiet(news)

        transaction.commit()

        assert news.get(timeout=5) == {"a"}
        factory.remove()

    def test_zope_abort(self, engine, notifier, news):
        """A transaction manager that aborts tells nothing."""
        factory = scoped_session(sessionmaker(engine))
        zope.sqlalchemy.register(factory)
        factory.execute(WORK)
        notifier.announce_on_commit(factory, {"gone"})
        transaction.abort()
        notifier.announce({"a"})

        assert news.get(timeout=5) == {"a"}
        assert quiet(news)
        factory.remove()

    def test_a_full_pool_is_no_deadlock(self, url, news, notifier):
        """With one connection in all nothing in the caller's thread asks for a second one."""
        engine = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=5)
        notifier.engine = engine
        for _ in range(20):
            with Session(engine) as session, session.begin():
                session.execute(WORK)
                notifier.announce_on_commit(session, {"a"})
            assert news.get(timeout=5) == {"a"}
        notifier.close()
        engine.dispose()

    def test_many_threads(self, engine, notifier, news):
        """Transactions of several threads at once tell each their own news."""

        def work(n: int) -> None:
            for i in range(10):
                with engine.begin() as conn:
                    notifier.announce_on_commit(conn, {f"{n}.{i}"})

        threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
        for thread in threads:
            thread.start()
        heard: set[str] = set()
        while len(heard) < 50:
            heard |= news.get(timeout=5)

        assert heard == {f"{n}.{i}" for n in range(5) for i in range(10)}
        for thread in threads:
            thread.join(5)


class TestThread:
    def test_starts_with_the_first_news(self, notifier):
        """A binding that has nothing to tell has no thread."""
        names = {thread.name for thread in threading.enumerate()}
        assert "gendurable-test-announce" not in names

        notifier.announce({"a"})

        assert "gendurable-test-announce" in {thread.name for thread in threading.enumerate()}

    def test_is_made_anew_in_a_forked_child(self, engine, notifier, abroad):
        """A child of a process that has announced announces too, on a thread of its own."""
        notifier.announce({"parent"})
        assert abroad.get(timeout=5) == {"parent"}

        child = os.fork()
        if child == 0:
            status = 1
            try:
                engine.dispose(close=False)
                notifier.announce({"child"})
                done = threading.Event()
                announcer = notifier._background()
                notify = announcer._notify
                announcer._notify = lambda news: (notify(news), done.set())
                notifier.announce({"child"})
                status = 0 if done.wait(5) else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

        assert abroad.get(timeout=5) == {"child"}


class TestListener:
    def test_survives_the_loss_of_its_connection(self, engine, notifier, abroad, eventually):
        """A listener whose backend is ended connects again, and looks for what it missed."""
        end = text(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%'"
        )
        with engine.connect() as conn:
            assert conn.scalar(end) == 1

        assert abroad.get(timeout=10) is None
        notifier.announce({"a"})
        assert abroad.get(timeout=5) == {"a"}

    def test_can_have_a_url_of_its_own(self, url, engine):
        """Behind a pooler that forbids LISTEN it listens elsewhere."""
        direct = url.replace("postgresql+psycopg", "postgresql")
        notifier = Notifier(engine, name="t", channel="gendurable", url=direct)
        heard: SimpleQueue = SimpleQueue()
        notifier.subscribe(heard.put)
        listener = Listener(notifier, Outage("t"))
        listener.daemon.start()

        assert heard.get(timeout=5) is None
        listener.stop()
        assert listener.daemon.join(5)

"""Settings: their defaults, and that all that is wrong is said in one message."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import gendurable as gd
from gendurable.duties import DAY
from gendurable.settings import Settings, WorkerSettings


class TestSettings:
    def test_durations_are_kept_in_seconds(self):
        """They may be given as timedelta."""
        settings = Settings(lease_ttl=timedelta(minutes=1), drain_timeout=0)

        assert (settings.lease_ttl, settings.drain_timeout) == (60.0, 0.0)
        assert (settings.heartbeat_interval, settings.poll_interval) == (10.0, 1.0)

    def test_all_problems_are_in_one_message(self):
        """Each names the setting, the value, and what is allowed."""
        with pytest.raises(gd.ConfigError) as raised:
            Settings(name="", schema="x" * 64, lease_ttl=-1, listen=1, max_size=0)

        lines = str(raised.value).splitlines()
        assert len(lines) == 5
        for line, name in zip(
            lines, ("name", "schema", "lease_ttl", "max_size", "listen"), strict=True
        ):
            assert line.startswith(f"bind: {name}=")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"heartbeat_interval": 20},
            {"poll_max": 0.5},
            {"poll_interval": 0},
            {"lease_ttl": math.nan},
            {"max_size": 1.5},
            {"listen_url": 7},
            {"listen_url": "x"},
            {"listen_url": "mysql://nowhere/at_all"},
            {"schema": "pg_mine"},
            {"rate_limits": ["stripe"]},
            {"rate_limits": {"stripe": gd.ConcurrencyLimit(1)}},
            {"rate_limits": {"stripe:7": gd.RateLimit(1)}},
            {"rate_limits": {"": gd.RateLimit(1)}},
            {"concurrency_limits": {"stripe": 100}},
        ],
    )
    def test_refuses_what_cannot_work(self, wrong):
        """Also what only does not fit together."""
        with pytest.raises(gd.ConfigError, match=next(iter(wrong))):
            Settings(**wrong)

    def test_says_all_that_is_wrong_in_a_dict(self):
        """Each limit is a line of its own, and what must fit together is looked at all the same."""
        with pytest.raises(gd.ConfigError) as raised:
            Settings(
                name="",
                heartbeat_interval=20,
                rate_limits={"a:b": gd.RateLimit(1), "c": 1, "": 2},
                concurrency_limits={"d": 3, "e": 4},
            )

        text = str(raised.value)
        assert [line.partition("bind: ")[0] for line in text.splitlines()] == [""] * 8
        for part in ("name=", "'a:b'", "['c']=1", "['']=2", "['d']=3", "['e']=4", "lease_ttl=30"):
            assert part in text

    def test_hides_what_a_url_holds(self):
        """It may have a password in it."""
        for url in ("mysql://me:secret@host/db", "secret", 7):
            with pytest.raises(gd.ConfigError, match="listen_url must be") as raised:
                Settings(listen_url=url)
            assert "secret" not in str(raised.value)

    def test_refuses_a_factory_that_zope_commits(self):
        """A step commits its own session, so no transaction manager may do it."""
        zope = pytest.importorskip("zope.sqlalchemy")
        engine = create_engine("postgresql+psycopg://nowhere/at_all")
        plain, managed = sessionmaker(engine), sessionmaker(engine)
        zope.register(managed)

        assert Settings(session_factory=plain).session_factory is plain
        for factory in (managed, scoped_session(managed)):
            with pytest.raises(gd.ConfigError, match=r"session_factory.*zope\.sqlalchemy"):
                Settings(session_factory=factory)

    def test_refuses_a_factory_whose_sessions_are_no_steps_own(self):
        """Shared, without a database, in another kind of database, or no factory at all."""
        engine = create_engine("postgresql+psycopg://nowhere/at_all")
        other = create_engine("sqlite://")
        for factory, why in (
            (scoped_session(sessionmaker(engine)), "is a scoped_session"),
            (Session(engine), "cannot be called"),
            (sessionmaker(), "knows no engine"),
            (sessionmaker(other), r"sqlite\+pysqlite"),
        ):
            with pytest.raises(gd.ConfigError, match=f"session_factory.*{why}"):
                Settings(session_factory=factory)

    def test_takes_a_class_that_finds_its_engine_itself(self):
        """As the sessions of Flask-SQLAlchemy do; and a function."""

        class Routed(Session):
            def get_bind(self, *args: Any, **kwargs: Any) -> Engine:
                return create_engine("postgresql+psycopg://nowhere/at_all")

        for factory in (sessionmaker(class_=Routed), lambda: Routed()):
            assert Settings(session_factory=factory).session_factory is factory


class TestWorkerSettings:
    def test_has_everything_on(self):
        """Ten slots of the default queue, and every duty."""
        settings = WorkerSettings()

        assert (settings.queues, settings.slots) == ({"default": 10}, 10)
        assert settings.reaper.interval == 1.0
        assert settings.cron.interval == 1.0
        assert settings.gc.retention == {"done": DAY, "failed": 30 * DAY, "cancelled": 30 * DAY}

    def test_duties_can_be_left_out_and_set(self):
        """False leaves one out, a dict sets some of it."""
        settings = WorkerSettings(
            reaper=False, gc={"retention": timedelta(hours=1)}, cron={"interval": 5}
        )

        assert settings.reaper is None
        assert settings.gc.retention == dict.fromkeys(("done", "failed", "cancelled"), 3600.0)
        assert settings.cron.interval == 5.0
        some = WorkerSettings(gc={"retention": {"done": 60}}).gc.retention
        assert some == {"done": 60.0, "failed": 30 * DAY, "cancelled": 30 * DAY}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"queues": ["default"]},
            {"queues": {}},
            {"queues": {"default": 0}},
            {"queues": {"": 1}},
            {"reaper": 1},
            {"reaper": {"intervall": 1}},
            {"gc": {"batch": 0}},
            {"gc": {"retention": {"gone": 1}}},
            {"gc": {"retention": -1}},
            {"cron": {"interval": 0}},
            {"health_port": 70_000},
        ],
    )
    def test_refuses_what_cannot_work(self, wrong):
        """The complaint names the setting or the part of it."""
        with pytest.raises(gd.ConfigError, match="|".join([*wrong, "gc", "cron"])):
            WorkerSettings(**wrong)

    def test_all_problems_are_in_one_message(self):
        """Those within the dicts of the duties, too."""
        with pytest.raises(gd.ConfigError) as raised:
            WorkerSettings(
                queues={"a": 0, "b": 1.5, "c": 1},
                reaper={"intervall": 1, "interval": 0},
                gc={"retention": {"gone": 1, "done": -1}, "batch": 0},
                health_port=70_000,
            )

        lines = str(raised.value).splitlines()
        assert [line.split("=")[0] for line in lines] == [
            "worker: queues['a']",
            "worker: queues['b']",
            "worker: reaper: there is no setting intervall; did you mean interval?",
            "worker: reaper: interval",
            "worker: gc: retention['gone']",
            "worker: gc: retention['done']",
            "worker: gc: batch",
            "worker: health_port",
        ]


class TestLimits:
    def test_burst_defaults_to_the_allowance(self):
        """A bucket holds what flows in during one period, unless burst says otherwise."""
        assert gd.RateLimit(100, per=60).burst == 100
        assert gd.RateLimit(0, per=timedelta(seconds=1), burst=5).per == 1.0

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda: gd.ConcurrencyLimit(0),
            lambda: gd.ConcurrencyLimit(1.5),
            lambda: gd.RateLimit(-1),
            lambda: gd.RateLimit(0),
            lambda: gd.RateLimit(1, per=0),
            lambda: gd.RateLimit(1, burst=0),
        ],
    )
    def test_refuses_nonsense(self, wrong):
        """A limit that lets nothing through ever is none: pause the queue instead."""
        with pytest.raises(gd.ConfigError, match="Limit"):
            wrong()

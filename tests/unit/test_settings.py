"""Settings: their defaults, and that all that is wrong is said in one message."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import gendurable as gd
from gendurable.settings import DAY, Settings, WorkerSettings


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

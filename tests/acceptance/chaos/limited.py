"""Who counts what of each key executes, and which tokens are taken."""

from __future__ import annotations

from collections import Counter
from threading import Event, Thread
from typing import Any

from sqlalchemy import Engine, text

#: Writes down which tokens were taken, at the instant to which their bucket was counted.
TRIGGERS = (
    "CREATE TABLE takes (tx xid8, key text, weight int)",
    "CREATE TABLE counts (tx xid8, key text, at timestamptz)",
    "CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " INSERT INTO public.takes VALUES (pg_current_xact_id(), NEW.rate_limit, NEW.weight);"
    " RETURN NULL; END $$",
    "CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " INSERT INTO public.counts VALUES (pg_current_xact_id(), NEW.key, NEW.at);"
    " RETURN NULL; END $$",
    "CREATE TRIGGER take AFTER UPDATE ON gendurable.instances FOR EACH ROW WHEN"
    " (NEW.status = 'executing' AND OLD.status = 'runnable' AND NEW.rate_limit IS NOT NULL)"
    " EXECUTE FUNCTION public.take()",
    "CREATE TRIGGER counted AFTER UPDATE ON gendurable.buckets FOR EACH ROW"
    " WHEN (NEW.at <> OLD.at OR NEW.level <> OLD.level) EXECUTE FUNCTION public.counted()",
)
GRANTS = """
    SELECT extract(epoch FROM c.at)::float8, sum(t.weight) FROM takes t
    JOIN (SELECT tx, key, min(at) AS at FROM counts GROUP BY tx, key) c
    ON c.tx = t.tx AND c.key = t.key
    GROUP BY t.tx, c.at ORDER BY 1"""
COUNT = text(
    "SELECT concurrency_key, priority, count(*) FROM gendurable.instances"
    " WHERE status = 'executing' AND concurrency_key IS NOT NULL GROUP BY 1, 2"
)


class Monitor:
    """Counts, all the time, how many rows of each key execute; keeps the most that it saw.

    Those with a priority are counted among all, and for themselves, too.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self.most: Counter[str] = Counter()
        self.urgent: Counter[str] = Counter()
        self.looks = 0

    def __enter__(self) -> Monitor:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()

    def forget(self) -> None:
        """Begin anew."""
        self.most, self.urgent = Counter(), Counter()

    def _run(self) -> None:
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            while not self._stop.wait(0.005):
                every, urgent = self.most, self.urgent
                now: Counter[str] = Counter()
                for key, priority, number in conn.execute(COUNT):
                    now[key] += number
                    if priority:
                        urgent[key] = max(number, urgent[key])
                every |= now
                self.looks += 1

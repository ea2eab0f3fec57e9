"""Operating: why an instance stands, holding it, letting it go, setting it back."""

from __future__ import annotations

from sqlalchemy import text


class TestExplain:
    def test_says_why(self, cli, data, app):
        """A sentence for people, a reason for programs."""
        handle = app.durable.insert(app.Order(order=1), delay=60, correlation_key="order:1")

        assert cli("explain", "order:1").stdout.strip()
        found = data("explain", handle.id)
        assert found["reason"]
        assert found["text"] == cli("explain", handle.id).stdout.strip() or "due" in found["text"]

    def test_nobody_there(self, cli):
        """Status 1."""
        cli("explain", 99, status=1)


class TestPauseAndResume:
    def test_holds_an_instance(self, cli, app):
        """Once; then it goes on."""
        handle = app.durable.insert(app.Order(order=1))

        assert cli("pause", handle.id, "--by", "ada").stdout == "held\n"
        assert cli("pause", handle.id).stdout == "was held before\n"
        assert handle.instance().paused_at is not None
        assert cli("resume", handle.id).stdout == "goes on\n"
        assert handle.instance().paused_at is None

    def test_holds_a_queue(self, cli, data):
        """With all that comes into it."""
        assert data("pause", "-q", "mail", "--by", "ada", "--reason", "spam") == {"count": 1}
        (mail,) = data("queues")
        assert mail["held"].pop("age") < 60
        assert mail["held"] == {"queue": "mail", "by": "ada", "reason": "spam"}
        assert "by ada: spam" in cli("queues").stdout
        assert data("resume", "-q", "mail") == {"count": 1}
        assert data("resume", "-q", "mail") == {"count": 0}

    def test_warns_of_a_queue_that_nobody_knows(self, cli, app, engine):
        """It is held all the same, since its rows may come later."""
        app.durable.insert(app.Item(), queue="rush")
        with engine.begin() as conn:
            conn.execute(
                text(
                    "INSERT INTO gendurable.nodes (name, queues, machines)"
                    " VALUES ('w', '{idle}', '[]')"
                )
            )

        held = cli("pause", "-q", "oders")
        assert held.stdout == "held\n"
        assert "nothing uses a queue 'oders' yet; there are default, idle, orders, rush" in (
            held.stderr
        )
        assert "oders" in cli("pause", "-q", "mail").stderr
        for known in ("orders", "rush", "idle"):
            assert cli("pause", "-q", known).stderr == ""
        assert cli("pause", "-q", "mail").stderr == ""

    def test_wants_one_of_both(self, cli):
        """A mistake of usage."""
        cli("pause", status=2)
        cli("pause", 1, "-q", "mail", status=2)


class TestRewind:
    def test_sets_an_instance_to_a_step(self, cli, data, app):
        """Wherever it stands; a step that is not there is a mistake."""
        handle = app.durable.insert(app.Order(order=1))

        assert cli("rewind", handle.id, "end").stdout == "rewound\n"
        assert handle.instance().step == "end"
        assert data("rewind", handle.id, "start", "--reason", "again") == {"rewound": True}
        cli("rewind", handle.id, "nowhere", status=2)
        with app.durable.engine.connect() as conn:
            reasons = conn.scalars(text("SELECT reason FROM gendurable.transitions")).all()
        assert "again" in reasons


class TestPatchState:
    def test_changes_fields(self, cli, data, app):
        """From an argument or from standard input; the others stay, and the history tells why."""
        handle = app.durable.insert(app.Order(order=1))

        said = cli("patch-state", handle.id, '{"city": "Bonn"}', "--reason", "moved", "--by", "ada")
        assert said.stdout == "patched\n"
        assert data("patch-state", handle.id, "-", stdin='{"order": 2}') == {"patched": True}

        assert handle.instance().state == {"order": 2, "city": "Bonn"}
        entries = data("show", handle.id)["history"]
        assert [(one["kind"], one["made_by"], one["reason"]) for one in entries][:1] == [
            ("patched", "ada", "moved")
        ]

    def test_only_at_the_visit_that_was_seen(self, cli, app):
        """One that went on is left alone."""
        handle = app.durable.insert(app.Order(order=1))
        visit = handle.instance().visit

        said = cli("patch-state", handle.id, '{"order": 2}', "--expect", visit + 1, status=2)

        assert f"is at visit {visit}" in said.stderr
        assert handle.instance().state["order"] == 1
        cli("patch-state", handle.id, '{"order": 2}', "--expect", visit)
        assert handle.instance().state["order"] == 2

    def test_refuses_what_the_class_does_not_take(self, cli, app):
        """It names the field; what is no JSON object is a mistake of usage."""
        handle = app.durable.insert(app.Order(order=1))

        refused = cli("patch-state", handle.id, '{"order": "one"}', status=2).stderr
        assert "Order.order='one': " in refused
        assert "no field 'town'" in cli("patch-state", handle.id, '{"town": 1}', status=2).stderr
        assert "must be a JSON object" in cli("patch-state", handle.id, "[1]", status=2).stderr
        assert "must be a JSON object" in cli("patch-state", handle.id, "{}", status=2).stderr
        assert "is no JSON" in cli("patch-state", handle.id, "{order: 2}", status=2).stderr
        cli("patch-state", 99, '{"order": 2}', status=1)
        assert handle.instance().state["order"] == 1

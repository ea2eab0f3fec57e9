"""The dashboard and the alerts ask for metrics that exist, by labels that these have."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from gendurable import testing
from gendurable.ext.prometheus import Monitor
from tests.ext.machines import Leaf
from tests.ext.news import NEWS, tell

CONTRIB = Path(__file__).parents[2] / "contrib"
RULES = CONTRIB / "prometheus" / "gendurable.rules.yml"
DASHBOARD = CONTRIB / "grafana" / "gendurable.json"

#: A metric, and what is asked of its labels if anything is.
ASKED = re.compile(r"\b(gendurable_\w+)(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\b(?:by|on) \(([^)]*)\)")


def rules():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    dashboard = [t["expr"] for panel in panels for t in panel.get("targets", ())]
    return [rule["expr"] for rule in rules()] + dashboard


@pytest.fixture
def exported(durable):
    """The labels of each exported sample, by its name."""
    registry = CollectorRegistry()
    monitor = Monitor(durable, registry)
    for name in NEWS:
        tell(name)
    durable.insert(Leaf())
    testing.drain(durable)
    durable.insert(Leaf())
    found = {s.name: set(s.labels) for family in registry.collect() for s in family.samples}
    monitor.close()
    return {name: labels for name, labels in found.items() if not name.endswith("_created")}


def test_every_metric_that_is_asked_for_exists(exported):
    """By its full name, the suffix of counters and histograms included."""
    asked = {name for text in expressions() for name, _ in ASKED.findall(text)}

    assert asked
    assert asked - set(exported) == set()


def test_every_metric_is_on_the_dashboard(exported):
    """What is counted can be seen; of a histogram one of its series is enough."""
    shown = {name for name, _ in ASKED.findall(DASHBOARD.read_text())}
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in exported}

    assert {f for f in families if not any(name.startswith(f) for name in shown)} == set()


@pytest.mark.parametrize("text", expressions())
def test_labels_exist_too(exported, text):
    """Each label that an expression selects or groups by is one of its metrics'."""
    known = set().union(*(exported[name] for name, _ in ASKED.findall(text)))
    selected = {
        label for _, labels in ASKED.findall(text) for label in re.findall(r"(\w+)\s*=~?\"", labels)
    }
    grouped = {label.strip() for labels in GROUPED.findall(text) for label in labels.split(",")}

    assert selected | grouped <= known


def test_variables_of_the_dashboard_exist(exported):
    """The lists at its top are read from labels of metrics, too."""
    variables = json.loads(DASHBOARD.read_text())["templating"]["list"]
    queries = [v["definition"] for v in variables if v["type"] == "query"]

    for query in queries:
        name, label = re.match(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", query).groups()
        assert label in exported[name]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_means(rule):
    """Each has a severity, a summary and a description."""
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith((".", "?"))

"""The dashboard and the alerts name metrics and labels that exist; the runbook has each alert."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from goldenrod.web.docs.error_codes import CODES
from goldenrod.web.monitoring.metrics import METRICS
from goldenrod.web.pages.help import documents

FILES = Path(__file__).parents[3] / "deploy" / "monitoring"
RUNBOOK = "/help/monitoring#"

_OF_HISTOGRAM = ("_bucket", "_sum", "_count")
_SELECTOR = re.compile(r"\b(goldenrod_\w+)(?:\{([^}]*)\})?")
_OURS = re.compile(r"\b(?:by|on) \(([^)]*)\)")


def series() -> dict[str, set[str]]:
    """The labels of each series, by its name."""
    found: dict[str, set[str]] = {}
    for metric in METRICS:
        names = [metric.name]
        if metric.kind == "histogram":
            names = [f"{metric.name}{end}" for end in _OF_HISTOGRAM]
        for name in names:
            found[name] = {*metric.labels, *(["le"] if name.endswith("_bucket") else [])}
    return found


def wrong(expression: str) -> list[str]:
    """What an expression of PromQL names that does not exist, and brackets that do not fit."""
    known, used = series(), _SELECTOR.findall(expression)
    found = [name for name, _ in used if name not in known]
    labels = {label for name, _ in used for label in known.get(name, ())} | {"instance", "job"}
    for _, matchers in used:
        found += [label for label in re.findall(r"(\w+)(?:=|!)", matchers) if label not in labels]
    for group in _OURS.findall(expression):
        found += [label for label in re.split(r",\s*", group) if label and label not in labels]
    open_: list[str] = []
    for bracket in re.findall(r"[()\[\]{}]", re.sub(r'"[^"]*"', "", expression)):
        if bracket in "([{":
            open_.append(bracket)
        elif not open_ or open_.pop() + bracket not in ("()", "[]", "{}"):
            found.append(bracket)
    return found + open_


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FILES / "alerts.yaml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_a_wrong_name_is_found() -> None:
    assert wrong("sum by (route) (rate(goldenrod_http_requests_total[5m])) > 0") == []
    assert wrong("rate(goldenrod_http_request_total[5m])") == ["goldenrod_http_request_total"]
    assert wrong("sum by (path) (goldenrod_ready)") == ["path"]
    assert wrong('goldenrod_ready{paart="x"}') == ["paart"]
    assert wrong("max((goldenrod_ready)") == ["("]


def test_the_alerts_name_what_exists_and_the_runbook_has_each() -> None:
    headings = {section.title for section in documents.document("monitoring").sections}
    runbook = {title for title in headings if title.startswith("Goldenrod")}
    assert {rule["alert"] for rule in rules()} == runbook
    for rule in rules():
        assert not wrong(rule["expr"]), rule["alert"]
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["runbook"] == RUNBOOK + rule["alert"].lower()
        assert rule["annotations"]["summary"].endswith(".")
        labels = re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])
        assert all(label in rule["expr"] or label == "instance" for label in labels)
        if "for" in rule:
            assert re.fullmatch(r"\d+[smh]", rule["for"])


def test_the_runbook_names_codes_that_exist() -> None:
    page = (Path(documents.assets.DOCUMENTS) / "monitoring.md").read_text("utf-8")
    refusing = page.partition("### GoldenrodRefusing")[2].partition("###")[0]
    assert {*re.findall(r"^- `(\w+)`", refusing, re.MULTILINE)} <= set(CODES)


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    dashboard = json.loads((FILES / "grafana-dashboard.json").read_text("utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    for expression in asked:
        assert not wrong(expression.replace("$__rate_interval", "5m")), expression
    named = {name for expression in asked for name, _ in _SELECTOR.findall(expression)}
    missing = [
        metric.name for metric in METRICS if not any(name.startswith(metric.name) for name in named)
    ]
    assert not missing
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({(place["x"], place["y"]) for place in places}) == len(places)

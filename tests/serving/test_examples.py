"""The files of docs/serving are what the service understands."""

import configparser
import json
import re
import shlex
import threading
import time

import pytest
import redis
import yaml

from mmdet_flow.serving.metrics import STAGES, Metrics
from tests.conftest import ROOT, parser_of
from tests.serving.conftest import Running

DOCS = ROOT / "docs/serving"


def exported_names() -> set[str]:
    """Return the names of all series that a service may export."""
    metrics = Metrics()
    for stage in STAGES:
        metrics.latency.labels(stage).observe(1)
    metrics.answered.labels("ok").inc()
    metrics.drops.labels("queue_full").inc()
    metrics.model.info({"model": "any"})
    families = metrics.registry.collect()
    return {sample.name for family in families for sample in family.samples}


def test_the_dashboard_uses_what_is_exported_and_all_of_it():
    dashboard = json.loads((DOCS / "dashboard.json").read_text())
    expressions = [
        target["expr"] for panel in dashboard["panels"] for target in panel["targets"]
    ]
    used = set(re.findall(r"(?:mmdet_redis|process)_\w+", " ".join(expressions)))
    assert used - exported_names() == set()
    of_ours = {name for name in exported_names() if name.startswith("mmdet_redis_")}
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in of_ours}
    assert families == {
        re.sub("_(bucket|sum|count)$", "", n) for n in used if n.startswith("mmdet")
    }
    panels = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(panels)) == len(panels)


def test_the_compose_file_starts_a_worker_with_options_that_exist():
    compose = yaml.safe_load((DOCS / "compose.yaml").read_text())
    worker = compose["services"]["worker"]
    args = parser_of("serve").parse_args(worker["command"][1:])
    assert args.redis_front == "streams"
    seconds = int(worker["stop_grace_period"].removesuffix("s"))
    assert seconds > args.grace
    assert worker["restart"] == "always"
    for service in compose["services"].values():
        assert set(service["secrets"]) <= set(compose["secrets"])


def test_the_unit_starts_a_worker_with_options_that_exist():
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    text = (DOCS / "mmdet-redis@.service").read_text()
    unit.read_string(text.replace("\\\n", ""))
    command = shlex.split(unit["Service"]["ExecStart"])
    args = parser_of("serve").parse_args(command[1:])
    assert args.redis_front == "streams"
    assert int(unit["Service"]["TimeoutStopSec"]) > args.grace
    assert unit["Service"]["Restart"] == "always"


def test_the_page_names_options_and_metrics_that_exist():
    page = (ROOT / "docs/serving.md").read_text()
    parsers = map(parser_of, ("serve", "redis load", "redis replay"))
    options = {name for parser in parsers for name in parser._option_string_actions}
    of_others = {"--cores"}
    assert set(re.findall(r"--[a-z_-]{3,}", page)) - options == of_others
    families = {re.sub("_(bucket|sum|count)$", "", n) for n in exported_names()}
    ours = {n.removeprefix("mmdet_redis_") for n in families if "mmdet_redis_" in n}
    assert [name for name in ours if f"`{name}" not in page] == []


def test_the_example_of_the_page_waits_for_a_slow_answer(
    redis_port, tmp_path, monkeypatch, capsys
):
    """The time to decode a first image, and longer than a socket waits by itself."""
    page = (ROOT / "docs/serving.md").read_text()
    (example,) = re.findall("```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "image.jpg").write_bytes(b"an image")

    def answer() -> None:
        server = redis.Redis(port=redis_port)
        while not server.exists("images"):
            time.sleep(0.05)
        time.sleep(redis.Connection().socket_timeout + 0.5)
        [(_, request)] = server.xrange("images")
        server.xadd(request[b"reply_to"], {"opex": "slow"})

    thread = threading.Thread(target=answer)
    thread.start()
    exec(example.replace("16379", str(redis_port)), {})
    thread.join()
    assert capsys.readouterr().out == "b'slow'\n"


@pytest.mark.parametrize("name", ["serving", "first-hour"])
def test_the_example_of_a_page_answers_each_time_that_it_is_run(
    name, predictor, redis_port, images, tmp_path, monkeypatch, capsys
):
    """A request with an id of its own would be a repetition the second time."""
    page = (ROOT / f"docs/{name}.md").read_text()
    (example,) = re.findall("```python\n(.*?)```", page, re.DOTALL)
    (photograph,) = re.findall(r'open\("(.*?)"', example)
    place = tmp_path / photograph
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(images[0])
    monkeypatch.chdir(tmp_path)
    with Running(predictor, redis_port, "--redis_front", "streams"):
        answers = []
        for _ in range(2):
            exec(example.replace("16379", str(redis_port)), {})
            answers.append(capsys.readouterr().out)
    assert all(answers) and len(answers[0].splitlines()) == len(answers[1].splitlines())

"""The load tester, against real services."""

import re

import pytest

from tests.conftest import LOW_SCORE, run_command, the_error
from tests.serving.conftest import Running


def load(port: int, *options):
    return run_command("mmdet-flow redis load", "--redis-port", port, *options)


@pytest.mark.parametrize(
    "front", [pytest.param("pubsub", marks=pytest.mark.slow), "streams"]
)
def test_every_answer_is_counted_and_compared(
    predictor, trained, redis_port, dataset, tmp_path, front
):
    batch = run_command(
        *(
            "mmdet-flow predict",
            "--checkpoint",
            trained.checkpoint,
            "--score",
            LOW_SCORE,
        ),
        *("--prediction_in", dataset.images, "--prediction_out", tmp_path),
        *("--keep_input", "--threads", "2"),
    )
    assert batch.returncode == 0, batch.stderr
    options = ("--images", dataset.images, "--redis-front", front)
    with Running(predictor, redis_port, "--redis_front", front) as running:
        run = load(redis_port, *options, "--compare", tmp_path, "--count", 20)
        assert run.returncode == 0, run.stderr
        assert "sent 20, answered 20" in run.stdout
        assert "errors 0, lost 0, duplicates 0, different 0" in run.stdout
        assert re.search(r"p50 \d+\.\d ms, p95 \d+\.\d ms, p99 \d+\.\d ms", run.stdout)
        running.has_answered(20)
        file = next(tmp_path.glob("*.json"))
        file.write_text(file.read_text().replace('"score":0', '"score":1'))
        run = load(redis_port, *options, "--compare", tmp_path)
        assert run.returncode == 5
        assert "different 1" in run.stdout and f"{file.stem}: not what" in run.stderr


@pytest.mark.slow
def test_a_rate_is_kept_and_a_higher_one_found(predictor, redis_port, dataset):
    with Running(predictor, redis_port):
        run = load(
            *(redis_port, "--images", dataset.images, "--count", 8),
            *("--rate", 4, "--find-rate", 30),
        )
    assert run.returncode == 0, run.stderr
    throughput, seconds = re.search(
        r"throughput (\S+) images/s over (\S+) s", run.stdout
    ).groups()
    assert float(seconds) >= 7 / 4 and float(throughput) <= 8 / (7 / 4)
    assert float(re.search(r"sustained (\S+) images/s", run.stdout)[1]) > 0


def test_what_is_not_answered_is_lost(redis_port, dataset):
    options = ("--redis-front", "streams", "--timeout", 0.5)
    run = load(redis_port, "--images", dataset.images, *options)
    assert run.returncode == 5
    assert "lost 16" in run.stdout and "not every image" in the_error(run)
    run = load(redis_port, "--images", dataset.images, "--timeout", 0.5)
    assert "nobody listens on images" in the_error(run)

import urllib.error
import urllib.request

import pytest

from mmdet_flow.errors import ServiceError, UsageError
from mmdet_flow.serving.health import health_server
from mmdet_flow.serving.metrics import Metrics
from tests.conftest import unused_port
from tests.serving.conftest import Channel, Running, wait_until


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_ready_follows_the_service_and_the_server(predictor, server):
    running = Running(predictor, server.port)
    port = unused_port()
    service = running.service
    with health_server(str(port), service.metrics, service.why_not_ready):
        assert get(port, "/healthz") == (200, "alive\n")
        assert get(port, "/readyz") == (503, "the service starts\n")
        with running:
            assert get(port, "/readyz") == (200, "ready\n")
            server.kill()
            status, text = get(port, "/readyz")
            assert status == 503 and text.startswith("Redis does not answer")
            assert get(port, "/healthz")[0] == 200
            server.start()
            wait_until(lambda: get(port, "/readyz")[0] == 200)
            service.stop()
            assert get(port, "/readyz") == (503, "the service stops\n")
        assert get(port, "/")[0] == 404


def test_metrics_tell_what_happened(predictor, redis_port, images):
    running = Running(predictor, redis_port)
    port = unused_port()
    metrics = running.service.metrics
    with health_server(str(port), metrics, running.service.why_not_ready), running:
        channel = Channel(redis_port)
        for content in (images[0], b"no image"):
            channel.send(content)
            channel.receive()
        running.has_answered(1, 1)
        status, text = get(port, "/metrics")
    assert status == 200
    lines = text.splitlines()
    assert "mmdet_redis_received_total 2.0" in lines
    assert 'mmdet_redis_answered_total{status="ok"} 1.0' in lines
    assert 'mmdet_redis_latency_seconds_count{stage="infer"} 1.0' in lines
    assert "mmdet_redis_ready 1.0" in lines
    model = next(line for line in lines if line.startswith("mmdet_redis_model_info{"))
    assert predictor.detector.meta["model_sha256"] in model
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)


def test_it_listens_on_loopback_unless_told_otherwise(free_port):
    metrics = Metrics()
    with health_server(str(free_port), metrics, lambda: ""):
        with pytest.raises(ServiceError, match="choose another --health"):
            health_server(str(free_port), metrics, lambda: "").__enter__()
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.2:{free_port}/healthz")
    with (
        pytest.raises(UsageError, match="PORT or HOST:PORT"),
        health_server("here", metrics, lambda: ""),
    ):
        pass

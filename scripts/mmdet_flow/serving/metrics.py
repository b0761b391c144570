"""What the service counts and measures, for Prometheus."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

disable_created_metrics()

STAGES = ("queue", "decode", "infer", "reply", "total")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)

        def new(cls, name, text, **options):
            return cls(f"mmdet_redis_{name}", text, registry=self.registry, **options)

        self.received = new(Counter, "received", "Requests that came in")
        self.answered = new(
            Counter, "answered", "Answers sent: ok or error", labelnames=("status",)
        )
        self.latency = new(
            Histogram,
            "latency_seconds",
            "Time of a request by stage: " + ", ".join(STAGES),
            labelnames=("stage",),
            buckets=SECONDS,
        )
        self.queue_depth = new(Gauge, "queue_depth", "Requests that wait")
        self.batch_size = new(
            Histogram, "batch_size", "Images per inference", buckets=SIZES
        )
        self.drops = new(
            Counter, "drops", "Requests not predicted", labelnames=("reason",)
        )
        self.reconnects = new(Counter, "reconnects", "Outages of Redis survived")
        self.redeliveries = new(
            Counter, "redeliveries", "Requests taken over from a worker that was gone"
        )
        self.suppressed = new(
            Counter, "suppressed", "Second answers to one request that were not sent"
        )
        self.trimmed = new(
            Counter, "trimmed", "Requests trimmed or deleted before their answer"
        )
        self.dead_letters = new(Counter, "dead_letters", "Requests given up")
        self.ready = new(Gauge, "ready", "1 while the service takes requests")
        self.model = new(Info, "model", "The model that answers")

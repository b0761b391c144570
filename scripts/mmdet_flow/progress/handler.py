"""The handler of Snakemake's log that shows a run; what it takes is imported then."""

from logging import LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase


class LogHandler(LogHandlerBase):
    """Shows what Snakemake logs: live on a terminal, as plain lines elsewhere."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False
    wants_plan = True
    """Asks ``workflow.plan.tell_plan`` for the jobs that wait."""

    def __post_init__(self) -> None:
        from mmdet_flow.progress.front import Front

        self._front = Front(self.common_settings)

    def emit(self, record: LogRecord) -> None:
        try:
            self._front.take(record)
        except Exception:  # the listener of the log would end, and with it all news
            self.handleError(record)

    def close(self) -> None:
        self._front.close()
        super().close()

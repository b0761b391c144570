"""The machine, by files that describe one."""

import os
import time
from pathlib import Path

import pytest

from mmdet_flow.errors import FlowError, UsageError
from mmdet_flow.start.doctor import machine
from mmdet_flow.start.doctor.check import Note


def test_space_is_compared_with_what_is_needed(tmp_path):
    places = {"results": tmp_path / "not/yet/there"}
    assert "results 0.0 of" in machine.disk(places, {"results": 0})
    with pytest.raises(FlowError, match=r"about 1000000\.0 GB are needed; make room"):
        machine.disk(places, {"results": 1e6})


def test_a_place_that_cannot_be_written(tmp_path):
    assert str(tmp_path / "new") in machine.writable({"cache": tmp_path / "new"})
    assert list(tmp_path.iterdir()) == []
    # Nobody, not even root, writes there.
    with pytest.raises(FlowError, match=r"cache, /proc/1/x.*or set MMDET_FLOW_CACHE"):
        machine.writable({"cache": Path("/proc/1/x")})


@pytest.mark.parametrize(
    ("kilobytes", "limit", "state"),
    [
        (8_000_000, "max", str),
        (8_000_000, str(3 * 10**9), Note),  # a container's
        (2_500_000, "max", Note),
        (1_000_000, "max", FlowError),
    ],
)
def test_memory_that_is_free_and_allowed(tmp_path, kilobytes, limit, state):
    (tmp_path / "meminfo").write_text(
        f"MemTotal: 99 kB\nMemAvailable: {kilobytes} kB\n"
    )
    (tmp_path / "memory.max").write_text(limit + "\n")
    if state is FlowError:
        with pytest.raises(FlowError, match="a training takes"):
            machine.memory(tmp_path / "meminfo", tmp_path)
    else:
        assert type(machine.memory(tmp_path / "meminfo", tmp_path)) is state


def test_what_a_processor_has():
    fast = "processor: 0\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16\n"
    assert machine.processor(fast).endswith("with AVX2, AVX-512, bf16, AMX")
    old = machine.processor("flags : fpu sse2\n")
    assert isinstance(old, Note) and "no AVX2" in old


def test_a_clock_that_cannot_be_right(tmp_path):
    now = time.time()
    assert machine.clock(now, now - 5, tmp_path).startswith("20")
    with pytest.raises(FlowError, match="before the newest file of the checkout"):
        machine.clock(now, now + 60, tmp_path)
    with pytest.raises(FlowError, match="set the clock"):
        machine.clock(5e9, now, tmp_path)


def test_the_newest_file_of_a_checkout(tmp_path):
    (tmp_path / "scripts/deep").mkdir(parents=True)
    for name, when in (("Snakefile", 1e9), ("scripts/deep/a.py", 1.5e9)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (when, when))
    os.utime(tmp_path / "scripts", (1.6e9, 1.6e9))
    assert machine.newest_file(tmp_path) == 1.5e9


def test_the_time_that_stands_in_for_the_clock():
    assert "not set" in machine.stated_time({})
    assert "1700000000" in machine.stated_time({"SOURCE_DATE_EPOCH": "1700000000"})
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH=now: is not a number"):
        machine.stated_time({"SOURCE_DATE_EPOCH": "now"})


def test_a_locale_that_misreads_names():
    assert machine.text_encoding("UTF-8") == "UTF-8"
    with pytest.raises(FlowError, match=r"for ISO-8859-1; set LC_ALL=C\.UTF-8"):
        machine.text_encoding("ISO-8859-1")

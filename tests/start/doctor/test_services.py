"""Redis by its options, and Slurm as far as it is there."""

import socket
import sys

import pytest

from mmdet_flow.errors import ServiceError, UsageError
from mmdet_flow.start.doctor import services
from mmdet_flow.start.doctor.check import Note


def test_the_server_that_is_named(redis_port, free_port):
    said = services.redis_server(f"--redis_port {redis_port} --redis_front streams")
    assert said == f"the server at localhost:{redis_port} answers"


def test_a_server_that_is_away(free_port):
    with pytest.raises(ServiceError, match=f"localhost:{free_port} does not answer"):
        services.redis_server(f"--redis_port {free_port}")


@pytest.mark.parametrize(
    "options", ["--redis_port many", "--redis_host 'a", "--redis_password_env NO_SUCH"]
)
def test_options_that_are_wrong(options):
    with pytest.raises(UsageError, match=r"serve\.options|NO_SUCH"):
        services.redis_server(options)


def test_the_embedded_server_needs_its_port(free_port):
    options = f"--embedded_redis --redis_port {free_port}"
    assert services.redis_server(options).endswith(f"start on port {free_port}")
    with socket.create_server(("127.0.0.1", free_port)):
        said = services.redis_server(options)
    assert isinstance(said, Note) and f"port {free_port}" in said


def programs(folder, **texts) -> str:
    """Write programs that say something and end with an exit code."""
    for name, (text, code) in texts.items():
        stream = "stderr" if code else "stdout"
        (folder / name).write_text(
            f"#!{sys.executable}\nimport sys\n"
            f"print({text!r}, file=sys.{stream})\nsys.exit({code})\n"
        )
        (folder / name).chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    ("texts", "state", "said"),
    [
        ({}, str, "not here"),
        ({"sbatch": ("", 0)}, Note, "sinfo is missing"),
        (
            {"sbatch": ("", 0), "sinfo": ("no controller", 1)},
            Note,
            "sinfo fails: no controller",
        ),
        (
            {
                "sbatch": ("", 0),
                "sinfo": ("short\nlong\nshort", 0),
                "sacct": ("disabled", 1),
            },
            Note,
            "sacct fails: disabled; put slurm-status-command: squeue",
        ),
        (
            {"sbatch": ("", 0), "sinfo": ("short\nlong\nshort", 0), "sacct": ("", 0)},
            str,
            "partitions long, short, with accounting",
        ),
        # A large cluster has dozens.
        (
            {
                "sbatch": ("", 0),
                "sinfo": ("\n".join(f"nodes-{n:02}" for n in range(40)), 0),
                "sacct": ("", 0),
            },
            str,
            "partitions nodes-00, nodes-01, nodes-02 and 37 more, with accounting",
        ),
    ],
)
def test_slurm_as_far_as_it_is_there(tmp_path, texts, state, said):
    found = services.slurm(programs(tmp_path, **texts))
    assert type(found) is state and said in found

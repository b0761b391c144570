"""What a launcher leaves to be found out; tests/cluster starts real processes."""

import pytest

from tests.conftest import run_command, the_error

RANK_OF_MPI = {
    "OMPI_COMM_WORLD_RANK": "0",
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_LOCAL_RANK": "0",
}


@pytest.mark.parametrize(
    ("launcher", "variables", "message"),
    [
        ("slurm", {}, "SLURM_PROCID is not set; start the command with srun"),
        ("mpi", {}, "OMPI_COMM_WORLD_RANK is not set; start the command with mpirun"),
        # Two processes here and two elsewhere: which machine is the first?
        (
            "mpi",
            RANK_OF_MPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "2"},
            "MASTER_ADDR is not set; with several machines",
        ),
    ],
)
def test_a_launcher_that_does_not_say_enough(
    launcher, variables, message, monkeypatch, tmp_path
):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.delenv("SLURM_JOB_NODELIST", raising=False)
    run = run_command(
        *("mmdet-flow model train", tmp_path / "config.py", "--launcher", launcher),
        **variables,
    )
    assert run.returncode == 2
    assert message in the_error(run)


def test_trainings_on_one_machine_meet_at_ports_of_their_own(monkeypatch):
    from mmdet_flow.model.processes import LAUNCHERS, PORTS, _port

    ports = set()
    for job in range(100):
        monkeypatch.setenv("SLURM_JOB_ID", str(job))
        monkeypatch.setenv("SLURM_STEP_ID", "0")
        ports.add(_port(LAUNCHERS["slurm"]))
    assert len(ports) > 95 and ports <= set(PORTS)

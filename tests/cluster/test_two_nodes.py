"""A training that takes both nodes of a real Slurm."""

import pytest
import torch

from mmdet_flow.files import read_json_lines
from mmdet_flow.model.checkpoint import load_checkpoint
from tests.cluster.conftest import MODEL
from tests.cluster.slurm import NODES

pytestmark = pytest.mark.slurm


def test_two_nodes_train_as_one_with_twice_the_batch(undisturbed_pair, pair):
    pair.set_model(nodes=1, batch_size=4)
    pair.forget_training()
    pair.run(MODEL, profile=None)
    one, two = (
        read_json_lines(project.training / "metrics.jsonl")
        for project in (pair, undisturbed_pair)
    )
    for alone, together in zip(one, two, strict=True):
        assert alone.pop("mode") == together.pop("mode")
        # Rounding grows from step to step.
        near = 1e-5 if alone["epoch"] == 1 else 1e-2
        assert alone == pytest.approx(together, rel=near), alone["iter"]
    one, two = (
        load_checkpoint(project.checkpoint).state_dict
        for project in (pair, undisturbed_pair)
    )
    for key, weights in one.items():
        assert torch.allclose(weights, two[key], rtol=0, atol=1e-3), key


@pytest.mark.parametrize("node", NODES)
def test_two_nodes_go_on_when_one_of_them_dies(cluster, pair, undisturbed_pair, node):
    """The first is where the job's script runs, so Slurm starts the same job again.

    When it loses the other one the job fails, and Snakemake starts another.
    """
    pair.forget_training()
    run = pair.start(MODEL)
    pair.wait_for_a_state(run)
    cluster.lose_node(node)
    pair.expect_success(run)
    pair.assert_resumed_to_weights_of(undisturbed_pair)


def test_a_cancelled_pair_goes_on_in_another_job(cluster, pair, undisturbed_pair):
    pair.cancel_training()
    pair.assert_resumed_to_weights_of(undisturbed_pair)

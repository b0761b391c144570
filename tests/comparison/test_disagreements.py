from mmdet_flow.comparison.disagreements import find_disagreements, totals
from mmdet_flow.evaluation.assignment import assign, overlap
from tests.evaluation.scenes import found_in, truth_of

LEAF, SHELL = ("leaf", 0, 0, 40, 40), ("shell", 50, 50, 40, 40)
CROWD = (*SHELL, True)


def test_disagreements_by_hand():
    """1: both find the leaf, A alone the shell. 2: B alone. 3: neither. 4: a crowd."""
    truth = truth_of([LEAF, SHELL], [LEAF], [LEAF], [CROWD])
    leaf, shell = (*LEAF, 0.9), (*SHELL, 0.9)
    a = found_in([leaf, shell], [("shell", 0, 0, 40, 40, 0.9)], [], [shell])
    b = found_in([leaf], [leaf], [("leaf", 60, 60, 9, 9, 0.5)], [])
    images = find_disagreements(
        *(assign(overlap(truth, rows, "bbox")) for rows in (a, b))
    )
    rows = {one.file: tuple(one.row().values())[1:] for one in images}
    assert [one.file for one in images] == ["1.png", "2.png", "3.png", "4.png"]
    # both, A alone, B alone, neither; false positives of A and of B
    assert rows["1.png"] == (1, 1, 0, 0, 0, 0)
    assert rows["2.png"] == (0, 0, 1, 0, 1, 0)
    assert rows["3.png"] == (0, 0, 0, 1, 0, 1)
    assert rows["4.png"] == (0, 0, 0, 0, 0, 0)
    assert totals(images) == {
        **{"both": 1, "only_a": 1, "only_b": 1, "neither": 1},
        **{"false_positives_a": 1, "false_positives_b": 1, "images": 2},
    }

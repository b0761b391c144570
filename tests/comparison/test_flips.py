from mmdet_flow.comparison.flips import find_flips, totals
from mmdet_flow.evaluation.assignment import assign, overlap
from tests.evaluation.scenes import found_in, truth_of

LEAF, SHELL = ("leaf", 0, 0, 40, 40), ("shell", 50, 50, 40, 40)
CROWD = (*SHELL, True)


def test_flips_by_hand():
    """1: both find the leaf, A alone the shell. 2: B alone. 3: neither. 4: a crowd."""
    truth = truth_of([LEAF, SHELL], [LEAF], [LEAF], [CROWD])
    leaf, shell = (*LEAF, 0.9), (*SHELL, 0.9)
    a = found_in([leaf, shell], [("shell", 0, 0, 40, 40, 0.9)], [], [shell])
    b = found_in([leaf], [leaf], [("leaf", 60, 60, 9, 9, 0.5)], [])
    flips = find_flips(*(assign(overlap(truth, rows, "bbox")) for rows in (a, b)))
    rows = {one.file: tuple(one.row().values())[1:] for one in flips}
    assert [one.file for one in flips] == ["1.png", "2.png", "3.png", "4.png"]
    # both, A alone, B alone, neither; wrong of A and of B
    assert rows["1.png"] == (1, 1, 0, 0, 0, 0)
    assert rows["2.png"] == (0, 0, 1, 0, 1, 0)
    assert rows["3.png"] == (0, 0, 0, 1, 0, 1)
    assert rows["4.png"] == (0, 0, 0, 0, 0, 0)
    assert totals(flips) == {
        **{"both": 1, "only_a": 1, "only_b": 1, "neither": 1},
        **{"wrong_a": 1, "wrong_b": 1, "images_with_flips": 2},
    }

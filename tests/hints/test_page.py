"""What docs/hints.md shows, run as it stands there."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import LOW_SCORE, ROOT, run_command
from tests.serving.conftest import Running
from tests.test_docs_commands import commands

PAGE = (ROOT / "docs/hints.md").read_text()


@pytest.fixture
def desk(trained, dataset, tmp_path) -> Path:
    """A folder with what the page speaks of."""
    shutil.copy(trained.checkpoint, tmp_path / "model.pth")
    (tmp_path / "new").mkdir()
    for path in sorted(dataset.source.glob("*.jpg"))[:3]:
        shutil.copy(path, tmp_path / "new")
    return tmp_path


def test_by_a_folder_the_commands_of_the_page_make_a_round_for_each_tool(desk):
    predict, export, *_ = [
        one for one in commands(PAGE) if one[0].split()[1] in ("predict", "label")
        and one[0] != "mmdet-flow label serve"
    ]  # fmt: skip
    # A model that has hardly learned finds something only at low scores.
    words = [LOW_SCORE if one == "0.3" else one for one in predict[1]]
    assert run_command(predict[0], *words, cwd=desk).returncode == 0
    tools = re.findall(r"^\| \w+ \| `([\w-]+)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert [name for name, _ in tools] == ["labelme", "cvat", "adams", "vgg"]
    for name, where in tools:
        folder = f"rounds/{name}"
        again = {"labelme": name, "rounds/1": folder}
        words = [again.get(one, one) for one in export[1]]
        run = run_command(export[0], *words, cwd=desk)
        assert run.returncode == 0, run.stderr
        opened = re.findall(r"rounds/1/[\w./]*\w", where)
        missing = [one.replace("rounds/1", folder) for one in opened]
        assert missing and all((desk / one).exists() for one in missing)


def test_over_redis_the_example_of_the_page_writes_what_is_exported(
    predictor, redis_port, desk, monkeypatch
):
    (example,) = [
        one
        for one in re.findall("```python\n(.*?)```", PAGE, re.DOTALL)
        if "redis" in one
    ]
    monkeypatch.chdir(desk)
    with Running(predictor, redis_port, "--redis_front", "streams"):
        exec(example.replace("16379", str(redis_port)), {})
    names = {path.stem for path in Path("new").iterdir()}
    assert {path.stem for path in Path("done").iterdir()} == names
    options = ["--images", "new", "--format", "coco", "--output", "round"]
    run = run_command("mmdet-flow label export", "done", *options, cwd=desk)
    assert run.returncode == 0, run.stderr
    coco = json.loads(Path("round/coco/annotations.json").read_text())
    assert len(coco["images"]) == 3 and coco["annotations"]

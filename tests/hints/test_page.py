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


def words_of(command: str) -> list[str]:
    """Return the words of a command as the page shows it first."""
    found = next(words for name, words in commands(PAGE) if name == command)
    # A model that has hardly learned finds something only at low scores.
    return [str(LOW_SCORE) if one == "0.3" else one for one in found]


def test_by_a_folder_the_commands_of_the_page_make_a_round_for_each_tool(desk):
    predicted = run_command(
        "mmdet-flow predict", *words_of("mmdet-flow predict"), cwd=desk
    )
    assert predicted.returncode == 0, predicted.stderr
    export = "mmdet-flow label export"
    tools = re.findall(r"^\| \w+ \| `([a-z]+)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert [name for name, _ in tools] == ["labelme", "cvat", "adams", "vgg"]
    for name, where in tools:
        own = {"labelme": name, "rounds/1": f"rounds/{name}"}
        words = [own.get(one, one) for one in words_of(export)]
        run = run_command(export, *words, cwd=desk)
        assert run.returncode == 0, run.stderr
        opened = re.findall(r"rounds/1/([\w./]*\w)", where)
        assert opened and all(
            (desk / f"rounds/{name}" / one).exists() for one in opened
        )


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

"""Images that cannot be predicted: rows of the manifest, and a budget at the end."""

import csv
import os
import re
import shutil

import jsonschema
import pytest
import yaml

from mmdet_flow.inference.deploy.form import form_file
from tests.conftest import ROOT, command_of, run_command, the_error
from tests.workflow.test_workflow import snakemake, write_config

gather = command_of("step gather")

NAME = "sea"
MANIFEST = f"results/{NAME}/predictions/manifest.csv"
SHARD = f"results/{NAME}/predictions/shard-0"
RULES = ("list_images", "predict_images", "gather_predictions", "judge_predictions")


def statuses(path) -> dict[str, str]:
    with open(path, newline="") as stream:
        return {row["file"]: row["status"] for row in csv.DictReader(stream)}


def config_with(**predict) -> dict:
    data = {"format": "opex", "annotations": "ann", "images": "ann"}
    predict = {"images": "new", "images_per_shard": 3, "score": 0.3, **predict}
    experiments = {NAME: {"data": data, "predict": predict}}
    return {"experiments": experiments, "track": {"enabled": False}}


@pytest.fixture
def folder(tmp_path, deployed, dataset):
    """A workflow that is done as far as its model, with four images to predict."""
    (tmp_path / "ann").mkdir()
    (tmp_path / "new").mkdir()
    for image in sorted(dataset.images.glob("*"))[:4]:
        shutil.copy(image, tmp_path / "new")
    checkpoint = tmp_path / f"results/{NAME}/model/checkpoint.pth"
    checkpoint.parent.mkdir(parents=True)
    shutil.copy(deployed, checkpoint)
    shutil.copy(form_file(deployed), form_file(checkpoint))
    return tmp_path


def predict(folder, *targets):
    """Run the rules of prediction alone."""
    targets = targets or (MANIFEST,)
    return snakemake(folder, "--allowed-rules", *RULES, "--", *targets)


def jobs_of(run) -> list[str]:
    """Return the rules of the jobs that ran."""
    pattern = r"^(?:local)?(?:rule|checkpoint) (\w+):"
    return sorted(re.findall(pattern, run.stdout + run.stderr, re.M))


def test_failed_images_are_rows_and_the_budget_is_last(folder):
    images = sorted((folder / "new").iterdir())
    os.truncate(images[0], 100)
    (folder / "new/z.png").write_bytes(b"no picture")
    write_config(folder, config_with())
    run = predict(folder)
    assert run.returncode == 0, run.stdout + run.stderr
    found = statuses(folder / MANIFEST)
    failed = [name for name, status in found.items() if status == "failed"]
    assert failed == [images[0].name, "z.png"] and len(found) == 5
    assert (folder / SHARD / "opex/failed" / f"{failed[0]}.txt").is_file()
    assert not (folder / SHARD / "work").exists()
    assert "Nothing to be done" in predict(folder).stderr

    for name in ("summary.txt", "run.json", "pages/model_card.html"):
        path = folder / "results" / NAME / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    before = (folder / MANIFEST).read_bytes()
    judged = predict(folder, f"results/{NAME}/failures.txt")
    assert judged.returncode == 1 and "exit status 3" in judged.stderr
    assert "error: 2 of 5 images failed, and 0 may (max_failures: 0.1)" in judged.stderr
    assert (folder / MANIFEST).read_bytes() == before
    write_config(folder, config_with(max_failures=2))
    judged = predict(folder, f"results/{NAME}/failures.txt")
    assert judged.returncode == 0, judged.stderr
    text = (folder / "results" / NAME / "failures.txt").read_text()
    assert text == "2 of 5 images failed, and 2 may\n"

    # One image is overwritten in place: its shard is predicted again, the other not.
    good = images[1]
    images[0].write_bytes(good.read_bytes())
    again = predict(folder)
    assert jobs_of(again) == ["gather_predictions", "predict_images"]
    assert statuses(folder / MANIFEST)[images[0].name] != "failed"
    # One is added at the end: so is the last shard.
    shutil.copy(good, folder / "new/zz.png")
    again = predict(folder)
    jobs = ["gather_predictions", "list_images", "predict_images"]
    assert jobs_of(again) == jobs, again.stderr
    assert "zz.png" in statuses(folder / MANIFEST)
    assert "Nothing to be done" in predict(folder).stderr


def test_a_shard_that_was_cut_off_goes_on(folder):
    write_config(folder, config_with(images_per_shard=4))
    assert predict(folder, f"results/{NAME}/predictions/lists").returncode == 0
    checkpoint = folder / f"results/{NAME}/model/checkpoint.pth"
    work = folder / SHARD / "work"
    run = run_command(
        *("mmdet-flow predict", f"--checkpoint={checkpoint}", "--prediction_in=new"),
        *("--keep_input", f"--prediction_out={work}", "--score=0.3"),
        *("--prediction_format=both", "--max_files=2"),
        *(f"--objects_csv={folder / 'objects.csv'}", "--threads=2"),
        cwd=folder,
    )
    assert run.returncode == 0, run.stderr
    done = sorted(path.name for path in work.glob("*.json"))
    assert len(done) == 2
    run = predict(folder)
    assert run.returncode == 0, run.stderr
    log = (folder / f"results/{NAME}/logs/predict_images-0.log").read_text()
    assert "2 images predicted before" in log
    assert len(list((folder / SHARD / "opex").glob("*.json"))) == 4


def write_manifest(folder, failed: int, total: int):
    folder.mkdir()
    rows = [f"{n}.png,,{'failed' if n < failed else 'ok'},0," for n in range(total)]
    text = "\n".join(["file,sha256,status,n_objects,error", *rows]) + "\n"
    (folder / "manifest.csv").write_text(text)


@pytest.mark.parametrize(
    ("failed", "total", "most", "accepted"),
    [
        (0, 10, "0", True),
        (1, 10, "0", False),
        (1, 10, "0.1", True),
        (2, 10, "0.1", False),
        (1, 9, "0.1", False),
        (3, 10, "3", True),
        (4, 10, "3", False),
        (1, 2, "1", True),
        (2, 2, "0.99", False),
        (0, 0, "0.1", True),
    ],
)
def test_the_budget_is_a_number_or_a_fraction(
    tmp_path, capsys, failed, total, most, accepted
):
    write_manifest(tmp_path / "p", failed, total)
    code = gather([str(tmp_path / "p"), f"--max-failures={most}"])
    assert code == (0 if accepted else 3)
    said = capsys.readouterr()
    assert f"{failed} of {total} images failed" in said.out + said.err
    assert said.err.count("\n") == (0 if accepted else 1)


@pytest.mark.parametrize("most", ["-1", "1.5", "nan", "inf", "many"])
def test_other_budgets_are_refused(tmp_path, most):
    run = run_command("mmdet-flow step gather", tmp_path, f"--max-failures={most}")
    assert run.returncode == 2


def test_a_budget_needs_manifests(tmp_path):
    run = run_command("mmdet-flow step gather", tmp_path, "--max-failures=1")
    assert run.returncode == 3 and "manifest.csv: is missing" in the_error(run)


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        *((0, True), (0.1, True), (1, True), (7, True)),
        *((-1, False), (1.5, False), ("many", False), (None, False)),
    ],
)
def test_a_budget_of_the_config_is_checked(value, fits):
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
    sections = schema["$defs"]["sections"]["properties"]
    key = sections["predict"]["properties"]["max_failures"]
    assert jsonschema.Draft202012Validator(key).is_valid(value) == fits

"""All pages of two small experiments, made by the commands that make them."""

from pathlib import Path

from mmdet_flow.files import write_json
from mmdet_flow.handover import pages as handover
from mmdet_flow.watch.overview import Results
from mmdet_flow.watch.page import experiment_html, overview_html
from tests.comparison.results import write_experiment
from tests.conftest import command_of
from tests.evaluation.scenes import found_in, truth_of

PLAIN = ("basalt", "gneiss", "quartz", "photo-of-", "expedition")
ODD = (
    "<script>mark('&amp;')</script>",
    """</title></style>"quoted" & 'single'<b>""",
    "{{ mark }} *snail* [a](b) `x` <!-- |",
    """<img src=x onerror="mark" alt='&lt;'> """,
    """<b title="&quot;'>sea&amp;""",
)
"""Three classes, and how the names of image files and of experiments begin."""

BOXES = (0, 0, 40, 40), (60, 0, 30, 30), (50, 50, 40, 40)
PAGES = {
    "gallery": "gallery.html",
    "worst": "gallery.html",
    "comparison": "comparison.html",
    "leaderboard": "leaderboard.html",
    "card": "card.html",
    "watch": "watch.html",
    "watched": "watch_experiment.html",
    **dict.fromkeys(handover.PAGES, "document.html"),
}
"""The template of each page."""


def make_pages(
    folder: Path, leaf: str, pebble: str, shell: str, file: str, experiment: str
) -> dict[str, Path]:
    """Write two experiments with these names, and all pages of them."""
    classes = (leaf, pebble, shell)
    one, two, three = ((name, *box) for name, box in zip(classes, BOXES, strict=True))
    truth = truth_of([one, two], [one, three], classes=classes)
    for image in truth.images:
        image["file_name"] = file + image["file_name"]
    right = [(*one, 0.9), (*two, 0.8)], [(*one, 0.9), (*three, 0.8)]
    wrong = [(pebble, *BOXES[0], 0.9)], [(*three, 0.8), (*two, 0.7)]
    a, b = folder / f"{experiment} A", folder / f"{experiment} B"
    for run, found in ((a, right), (b, wrong)):
        write_experiment(run, truth, found_in(*found, classes=classes))
    write_what_pages_tell(b, leaf)
    run_commands(a, b, title=experiment)
    found = {path.stem: path for path in folder.rglob("*.html")}
    assert found.keys() == PAGES.keys()
    return found


def write_what_pages_tell(run: Path, name: str) -> None:
    """Write the files of a run that pages read, with a name wherever one may be."""
    last = f"zz {name}"  # of the keys, whatever the name is
    base = f"exported_from = {name!r}\nmodel = {{{last!r}: {name!r}}}\n"
    (run / "model" / "base.py").write_text(base)
    counts = {"read": 2, "written": 2, "left_out": []}
    finding = {"check": name, "action": name}
    write_json(
        run / "dataset" / "report.json",
        {
            **{"images": counts, "objects": counts, "findings": [finding]},
            "objects_by_class": {name: 2},
        },
    )
    (run / "benchmarks").mkdir()
    (run / "benchmarks" / "shard.tsv").write_text("s\tmax_rss\n1.0\t2.0\n")
    split = {"images": 2, "objects": 4}
    hashes = {"annotations_sha256": "0a", "images_sha256": "1b"}
    write_json(
        run / "run.json",
        {
            "name": name,
            "config": None,
            "predictions": {"images": 2, "failed": 0},
            "workflow": {"name": name, "version": name, "git": None},
            "training": {"precision": name},
            "seeds": {name: 1},
            "campaign": name,
            "data": dict.fromkeys(("train", "val", "test"), split | hashes),
            "classes": {"names": [name], "sha256": "2c"},
            "outputs": {name: {"bytes": 1, "sha256": "3d"}},
            "steps": {
                name: {
                    **{"rule": name, "command": f"command {name}"},
                    **{"inputs": [], "outputs": []},
                }
            },
            "packages": {"python": name, "main": {"numpy": "1"}},
        },
    )


def run_commands(a: Path, b: Path, title: str) -> None:
    """Write all pages of two experiments."""
    images = ("--images", b / "dataset" / "images")
    splits = [b / "splits" / f"{name}.json" for name in ("train", "val", "test")]
    evaluation = b / "evaluation"
    worst = (
        *("--annotations", splits[-1], "--detections", evaluation / "detections.json"),
        *("--output", evaluation / "gallery.html", "--title", title),
        *("--excerpt", evaluation / "worst.html"),
    )
    table = ("--csv", b / "leaderboard.csv", "--html", b / "leaderboard.html")
    for command, *options in (
        ("evaluate gallery", *images, *worst),
        ("compare experiments", a, b, "--bootstrap", 20, "--output", b / "compared"),
        ("compare leaderboard", a, b, *table),
        ("data card", *splits, *images, "--output", b / "card"),
        ("handover card", b),
        ("step pages", b),
    ):
        assert command_of(command)(options) == 0
    write_watched(b)


def write_watched(run: Path) -> None:
    """Write the live pages of an experiment with an error and a picture of its name."""
    (run / "logs").mkdir()
    (run / "logs" / "train_model.log").write_text(f"error: {run.name}\n")
    drawn = run / "training/1/vis_data" / f"{run.name}.png"
    drawn.parent.mkdir(parents=True)
    drawn.touch()
    results = Results(run.parent)
    pages = {
        "watch": overview_html(results.folder, [results.one(run.name)]),
        "watched": experiment_html(results.folder, results.one(run.name)),
    }
    for name, page in pages.items():
        (run / f"{name}.html").write_text(page)

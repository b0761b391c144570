"""Our side: from image files to OPEX files, by the runner of mmdet-flow predict."""

import itertools
import json
import resource
import sys
import time
from pathlib import Path

from mmdet_flow.formats.objects import Outlines
from mmdet_flow.inference.folder import list_images
from mmdet_flow.inference.journal import Journal
from mmdet_flow.inference.opening import open_detector
from mmdet_flow.inference.output import Output
from mmdet_flow.inference.predictor import Predictor
from mmdet_flow.inference.runner import Runner
from mmdet_flow.memory import keep_what_is_loaded


def main() -> None:
    job = json.loads(sys.argv[1])
    detector = open_detector(
        Path(job["checkpoint"]),
        threads=job["threads"],
        score=job["score"],
        backend=job["backend"],
        precision=job["precision"],
    )
    keep_what_is_loaded()
    predictor = Predictor(detector, job["score"], Outlines())
    print("ready", flush=True)
    for number, line in zip(itertools.count(), sys.stdin, strict=False):
        start = time.perf_counter()
        folder = Path(job["output"]) / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        journal = Journal(folder, number)
        output = Output(folder, {"opex": ".json"}, after="keep")
        runner = Runner(predictor, output, journal, 8, job["threads"], 10**9)
        count = sum(
            one.n_objects for one in runner.run(list_images(Path(line.strip())))
        )
        journal.close(remove=True)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps([seconds, count, peak]), flush=True)


main()

#!/usr/bin/env bash
# MLflow, the one value of a metric that a run shows (run.data.metrics, the table of runs, searches
# and their order): it is the value with the largest step, whenever it was logged. The documentation
# of run.data.metrics says that it is the one with the latest timestamp. A value that is logged
# without a step has step 0, so the mAP of the evaluation at the end, logged under the name that
# the training used, is never shown, and a search for good runs goes by the last epoch's. And a run
# that is resumed from epoch 36 after it had reached 40 shows the value of the attempt that was lost
# until it is past 40, and for ever if it stops before. A curve over time has all of them.
# What helps: another name for the last value; step=the last one; a new run for what is resumed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mlflow-skinny==3.17.2 sqlalchemy==2.0.58 alembic==1.20.1
cd "$folder"
MLFLOW_DISABLE_TELEMETRY=true MLFLOW_LOGGING_LEVEL=ERROR "$folder/venv/bin/python" - <<'EOF'
import sys
from importlib.metadata import version

from mlflow import MlflowClient
from mlflow.entities import RunData

TRAINED = [(0.50, 30), (0.52, 40)]
LATER = {
    "resumed at 36": [(0.60, 36), (0.64, 38)],
    "resumed at 36, past 40": [(0.60, 36), (0.70, 42)],
    "evaluated without a step": [(0.80, None)],
    "evaluated at step 40": [(0.80, 40)],
}
client = MlflowClient("sqlite:///runs.db")
experiment = client.create_experiment("cells")


def shown(values):
    """The mAP of a run that logs these values and steps, each a minute after the one before."""
    run = client.create_run(experiment, run_name="cells").info.run_id
    for minute, (value, step) in enumerate(values):
        client.log_metric(run, "mAP", value, timestamp=60_000 * minute, step=step)
    history = client.get_metric_history(run, "mAP")
    assert sorted(one.value for one in history) == sorted(value for value, _ in values)
    good = client.search_runs([experiment], "metrics.mAP > 0.55")
    return client.get_run(run).data.metrics["mAP"], run in {one.info.run_id for one in good}


print(f"mlflow-skinny {version('mlflow-skinny')}, trained: {TRAINED} (value, step), then")
found = {name: shown(TRAINED + later) for name, later in LATER.items()}
for name, (value, good) in found.items():
    print(f"{name}, {LATER[name]}: shows {value}, found as above 0.55: {good}")
documented = "the metric value with the latest timestamp" in RunData.metrics.__doc__
print(f"documented as the latest timestamp: {documented}")
expected = [(0.52, False), (0.70, True), (0.52, False), (0.80, True)]
sys.exit(not (list(found.values()) == expected and documented))
EOF

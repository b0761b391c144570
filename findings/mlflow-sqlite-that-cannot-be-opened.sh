#!/usr/bin/env bash
# MLflow, sqlite:///PATH where SQLite cannot open PATH (a folder; the same happens where a
# user may not read or write it): SQLite says so within a millisecond. MLflow takes the file
# for a database server that may still be starting, and tries ten times, with pauses that
# double, before it raises: 102 seconds, of which a program that sets MLflow's log to ERROR
# says nothing. The number of tries cannot be set.
# What helps: sqlite3.connect(PATH).execute("PRAGMA schema_version") before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mlflow-skinny==3.17.2 sqlalchemy==2.0.58 alembic==1.20.1
mkdir "$folder/runs"
cd "$folder"
MLFLOW_DISABLE_TELEMETRY=true MLFLOW_LOGGING_LEVEL=ERROR "$folder/venv/bin/python" - <<'EOF'
import sqlite3
import sys
import time
from importlib.metadata import version

from mlflow import MlflowClient


def seconds(ask):
    begun = time.monotonic()
    try:
        ask()
        return None, "no error"
    except Exception as error:
        return time.monotonic() - begun, str(error).splitlines()[0]


plain = seconds(lambda: sqlite3.connect("runs").execute("PRAGMA schema_version"))
client = seconds(lambda: MlflowClient("sqlite:///runs").search_experiments())
print(f"mlflow-skinny {version('mlflow-skinny')}, SQLAlchemy {version('sqlalchemy')}")
print(f"sqlite3: {plain[1]}, after {plain[0]:.3f} s")
print(f"MLflow: {client[1]}, after {client[0]:.0f} s")
sys.exit(0 if plain[0] < 1 and client[0] > 60 else 1)
EOF

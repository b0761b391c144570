#!/usr/bin/env bash
# ro-crate-py, crate.add_file(PATH): without dest_path a file goes by its name alone, at the top
# of the crate, and a file of the same name that is added later takes the place of the first: its
# entry, description and content are gone, without an error or a warning. So a crate of train/1.png
# and val/1.png, or of the metrics.json of several runs, holds one of them and is valid. The entity
# that the first call returned still works, so what is set on it afterwards is lost as well.
# What helps: dest_path for each file, and as many ids as files.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "rocrate==${ROCRATE:-0.16.0}"
cd "$folder"
venv/bin/python -W error - <<'EOF'
import json
import sys
from importlib.metadata import version
from pathlib import Path

from rocrate.rocrate import ROCrate

files = [Path(part, "metrics.json") for part in ("train", "val", "test")]
for number, file in enumerate(files):
    file.parent.mkdir()
    file.write_text(json.dumps({"mAP": number / 10}))


def written(name, with_path):
    """Return the ids and names in a crate that is written and read again, and its contents."""
    crate = ROCrate()
    for file in files:
        where = {"dest_path": str(file)} if with_path else {}
        entity = crate.add_file(file, properties={"name": f"metrics of {file.parent}"}, **where)
        crate.root_dataset.append_to("mentions", entity)
    crate.write(name)
    entities = ROCrate(name).data_entities
    return [
        (one.id, one["name"], json.loads(Path(name, one.id).read_text())["mAP"])
        for one in entities
    ]


print(f"rocrate {version('rocrate')}: {', '.join(map(str, files))}")
found, helped = written("names", False), written("paths", True)
print("add_file(path):", *found)
print("add_file(path, dest_path):", *helped)
sys.exit(not (found == [("metrics.json", "metrics of test", 0.2)] and len(helped) == len(files)))
EOF

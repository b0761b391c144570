#!/usr/bin/env bash
# MMEngine, Config.pretty_text, which dump() and each start of a Runner call: yapf formats the text
# inside an "except:" without a class. For a detector that takes half a second of processor time,
# on a machine with other work many seconds. Ctrl-C within it is no KeyboardInterrupt but a
# SyntaxError, "Failed to format the config file, please check the syntax of", with all of the
# config. So is sys.exit() in a handler of SIGTERM, by which a cluster or a container ends a job.
# A caller that goes on with the next training after an error does so, instead of ending, and who
# reads the log looks for a fault in a config that has none.
# What helps: to look at the error's __context__; or Config.fromfile(..., format_python_code=False).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 matplotlib==3.11.2 rich==15.0.0 \
  addict==2.4.0 pyyaml==6.0.3 termcolor==3.3.0 yapf==0.43.0 opencv-python-headless==4.11.0.86
# Without what they depend on: that is there, and of mmdet only the configs are read.
"$folder/venv/bin/pip" install --quiet --no-deps mmengine==0.10.7 mmdet==3.3.0
cd "$folder"
venv/bin/python - <<'EOF'
import os
import signal
import sys
import threading
import time
import warnings
from importlib.metadata import distribution, version

import mmengine
from mmengine.config import Config

warnings.simplefilter("ignore")
NAME = "mmdet/.mim/configs/rtmdet/rtmdet_tiny_8xb32-300e_coco.py"


def end(signum, frame):
    sys.exit(f"ended by signal {signum}")


def in_yapf(thread):
    """Whether this thread is in a function of yapf."""
    frame = sys._current_frames()[thread]
    while frame and "yapf" not in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None


def interrupt(thread, signum):
    while not in_yapf(thread):
        time.sleep(0.01)
    os.kill(os.getpid(), signum)


def interrupted(work, signum):
    """The names of what comes out of it, and of what that came from."""
    other = threading.Thread(target=interrupt, args=(threading.get_ident(), signum), daemon=True)
    other.start()
    try:
        work()
    except BaseException as error:
        return type(error).__name__, type(error.__context__).__name__
    return ("nothing",)


signal.signal(signal.SIGTERM, end)
config = Config.fromfile(distribution("mmdet").locate_file(NAME))
begun = time.process_time()
lines = config.pretty_text.splitlines()
seconds = time.process_time() - begun
print(f"mmengine {mmengine.__version__}, yapf {version('yapf')}")
print(f"{NAME}: {len(lines)} lines, {seconds:.1f} s of processor time; a signal within it:")
found = []
for signum in (signal.SIGINT, signal.SIGTERM):
    found.append(interrupted(lambda: config.pretty_text, signum))
    print(f"{signum.name}: {found[-1][0]}, from {found[-1][-1]}")
expected = [("SyntaxError", "KeyboardInterrupt"), ("SyntaxError", "SystemExit")]
sys.exit(found != expected)
EOF

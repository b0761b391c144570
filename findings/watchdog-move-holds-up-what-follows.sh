#!/usr/bin/env bash
# watchdog on Linux, a watched folder out of which files are moved, as by a service that moves each
# image to another folder once it is done: what happens next in the folder is told half a second
# late. The news of a file that was moved away is held back for 0.5 s, in case the news of where it
# went to follows. From a folder that is not watched that never comes, and all that arrives behind
# it has to wait, too, though only the move is in doubt. So whoever drops an image in, waits for the
# result and drops in the next gets two images a second, however fast the model is. Where the image
# before was deleted, the next one is heard of within a few milliseconds.
# What helps: watch the folder above both, recursively; or delete.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "watchdog==${WATCHDOG:-7.1.0}"
mkdir "$folder/in" "$folder/done"
cd "$folder"
"$folder/venv/bin/python" - <<'EOF'
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path
from queue import Queue

from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer

IMAGES = 7


class Arrivals(FileSystemEventHandler):
    def __init__(self):
        self.names = Queue()

    def on_closed(self, event):
        self.names.put(Path(event.src_path).name)


def waited(watched, take_away, recursive=False):
    """Median seconds from the writing of an image to the news of it; each is then taken away."""
    arrivals, observer, seconds = Arrivals(), Observer(), []
    observer.schedule(arrivals, watched, recursive=recursive)
    observer.start()
    for number in range(IMAGES):
        image = Path("in", f"{number}.png")
        begun = time.monotonic()
        image.write_bytes(b"image")
        while arrivals.names.get(timeout=60) != image.name:
            pass
        seconds.append(time.monotonic() - begun)
        take_away(image)
    time.sleep(1)  # for the news of the last one
    observer.stop()
    observer.join()
    return statistics.median(seconds)


def move(image):
    image.rename(Path("done", image.name))


print(f"watchdog {version('watchdog')}: from an image to the news of it, median of {IMAGES}")
found = {
    "the one before was moved away": waited("in", move),
    "the one before was deleted": waited("in", Path.unlink),
    "moved to a folder that is watched, too": waited(".", move, recursive=True),
}
for name, seconds in found.items():
    print(f"{name}: {seconds:.3f} s")
held, *others = found.values()
sys.exit(not (held > 0.4 and max(others) < 0.2))
EOF

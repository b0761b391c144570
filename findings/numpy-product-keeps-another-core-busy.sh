#!/usr/bin/env bash
# numpy, a product of matrices: the other threads of its OpenBLAS do not sleep when it is done. They
# wait in a loop for some 70 ms, so that a product of 0.3 ms with 256 rows costs 70 ms of another
# core's time, again and again. Nobody sees it where that core is free: the wall time is right.
# Where another library computes on it, such as OpenVINO with a thread for each core, it gets half
# of that core: in a program that multiplies matrices between two inferences a tenth of all CPU time
# went there. So more cores make it worse. OMP_WAIT_POLICY is for OpenMP, which these threads are
# not. OPENBLAS_NUM_THREADS=1, before numpy is imported, or threadpoolctl afterwards, ends it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 threadpoolctl==3.8.0
cd "$folder"
cat >measure.py <<'EOF'
import time

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

ROWS, PRODUCTS, PAUSE = 256, 10, 0.1
matrix = np.ones((ROWS, ROWS), np.float32)


def cpu_of_others():
    """Milliseconds of CPU time that other threads take for a product, and the product's own."""
    whole, own, products = time.process_time(), time.thread_time(), 0.0
    for _ in range(PRODUCTS):
        begin = time.thread_time()
        matrix @ matrix
        products += time.thread_time() - begin
        end = time.thread_time() + PAUSE
        while time.thread_time() < end:
            pass  # other work, in this thread alone
    whole, own = time.process_time() - whole, time.thread_time() - own
    return round(1000 * (whole - own) / PRODUCTS, 1), round(1000 * products / PRODUCTS, 2)


(blas,) = threadpool_info()
print(f"numpy {np.__version__}, {blas['internal_api']} {blas['version']}, {blas['num_threads']} threads")
matrix @ matrix
found, own = cpu_of_others()
print(f"a product of {ROWS} rows: {own} ms here, and {found} ms of other threads after it")
threadpool_limits(1)
limited, own = cpu_of_others()
print(f"with one thread: {own} ms here, and {limited} ms of others")
raise SystemExit(not (found > 20 and limited < 5))
EOF
OPENBLAS_NUM_THREADS=2 venv/bin/python measure.py

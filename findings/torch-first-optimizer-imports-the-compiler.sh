#!/usr/bin/env bash
# torch: making the first optimizer of a process imports torch._dynamo, the compiler behind
# torch.compile, also where nothing is compiled: 800 modules, and about as much processor
# time as "import torch" took. Optimizer.add_param_group is wrapped so that the compiler
# leaves it alone, and the wrapper imports it to say so; a step does it as well.
# A training of minutes that is started often, or tests that train, pay it each time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - >/dev/null <<'EOF'
import torch  # once, so that all is compiled to bytecode
torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
EOF
"$folder/venv/bin/python" - <<'EOF'
import sys
import time


def cost(work):
    begun, known = time.process_time(), len(sys.modules)
    work()
    return time.process_time() - begun, len(sys.modules) - known


def make_optimizer():
    import torch

    torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)


imported = cost(lambda: __import__("torch"))
before = "torch._dynamo" in sys.modules
first, second = cost(make_optimizer), cost(make_optimizer)
after = "torch._dynamo" in sys.modules
print(f"torch {sys.modules['torch'].__version__}")
for name, (seconds, modules) in (
    ("import torch", imported),
    ("first optimizer", first),
    ("second optimizer", second),
):
    print(f"{name}: {seconds:.2f} s of processor time, {modules} modules")
print(f"torch._dynamo is there: before {before}, after {after}")
sys.exit(0 if (before, after) == (False, True) and first[1] > 100 else 1)
EOF

"""What processor this is, as far as results and speed depend on it.

Many virtual machines have one name for processors with other instructions, and the
environment can keep a library from using those that are there.
"""

import os
from collections.abc import Mapping
from pathlib import Path

FEATURES = {
    "avx2": "AVX2",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI",
    "avx512_bf16": "bf16",
    "avx512_fp16": "fp16",
    "amx_bf16": "AMX",
    "amx_int8": "AMX-int8",
}
"""Flags of Linux, and what they are called."""

_AVX2 = {"avx2"}
_AVX512 = _AVX2 | {"avx512f"}
_VNNI = _AVX512 | {"avx512_vnni"}
_BF16 = _VNNI | {"avx512_bf16", "avx_vnni"}
_FP16 = _BF16 | {"avx512_fp16"}
LIMITS = {
    "SSE41": set(),
    "AVX": set(),
    "AVX2": _AVX2,
    "AVX2_VNNI": _AVX2 | {"avx_vnni"},
    "AVX512_CORE": _AVX512,
    "AVX512_CORE_VNNI": _VNNI,
    "AVX512_CORE_BF16": _BF16,
    "AVX512_CORE_FP16": _FP16,
}
"""What oneDNN uses under the limits that it knows."""

TORCH = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
OPENVINO = ("OV_CPU_MAX_ISA",)
"""The variables that limit a library."""


def name() -> str:
    """Return the name of the processor, or "" where Linux does not tell."""
    return _field("model name")


def features(
    library: tuple[str, ...] = (), environment: Mapping[str, str] = os.environ
) -> list[str]:
    """Return the names of the features that a library may use here."""
    flags = set((_field("flags") or _field("Features")).split())
    for variable in library:
        flags &= LIMITS.get(environment.get(variable, "").upper(), flags)
    return [FEATURES[flag] for flag in FEATURES if flag in flags]


def _field(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    pairs = (line.split(":", 1) for line in lines if line.startswith(key))
    return next((pair[1] for pair in pairs if len(pair) == 2), "").strip()

"""The logger plugin of Snakemake that ``snakemake --logger mmdet-flow`` names.

Snakemake finds it by the name of this package, and imports it at each start.
"""

from mmdet_flow.progress.handler import LogHandler

__all__ = ["LogHandler"]

"""Where the images of tasks may be: a folder, and one Label Studio. Nowhere else."""

import os
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from mmdet_flow.dataset.fields import shown
from mmdet_flow.hints.host import Host
from mmdet_flow.hints.request import RequestError
from mmdet_flow.serving.files import read_below
from mmdet_flow.serving.inbox import Refused

LOCAL = "/data/local-files/"
"""Before ``?d=`` and a path below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT."""

LONGEST = 4096


@dataclass(frozen=True)
class Images:
    """The places that images are read from.

    Attributes:
        local_files: the folder of local files of Label Studio, resolved, or None.
        host: the Label Studio that has all others, or None.
        max_bytes: the largest image file.
    """

    local_files: Path | None
    host: Host | None
    max_bytes: int

    def read(self, address: str) -> bytes:
        """Return the content of an image; RequestError if it is in no such place."""
        try:
            place = urlsplit(address) if len(address) < LONGEST else None
        except ValueError:  # a bracket, as of IPv6, that is open
            place = None
        if place is None:
            raise RequestError(f"{shown(address)} is no address")
        of_host = self.host is not None and self.host.has(place)
        is_ours = of_host or not (place.scheme or place.netloc)
        names = parse_qs(place.query).get("d") if place.path == LOCAL else None
        if self.local_files and names and is_ours:
            return self._read_local(names[-1])
        if of_host:
            return self.host.read(place, self.max_bytes)
        raise RequestError(
            f"{shown(address)} is not in a place that may be read; name it with "
            "--local-files or --label-studio",
            HTTPStatus.FORBIDDEN,
        )

    def _read_local(self, name: str) -> bytes:
        try:
            return read_below(self.local_files, os.fsencode(name), self.max_bytes)
        except (Refused, UnicodeError) as error:
            raise RequestError(f"{shown(name)}: {error}") from None

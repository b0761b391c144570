"""Stand in for soundfile, which wai.annotations imports at start, for audio only."""


def write(*args, **kwargs):
    """Raise: audio is not supported in this environment."""
    raise NotImplementedError(
        "soundfile.write is a stand-in (envs/stand-ins/soundfile): "
        "this environment converts object detection data, not audio"
    )

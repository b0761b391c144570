"""Stand in for librosa, which wai.annotations imports at start, for audio only."""


def load(*args, **kwargs):
    """Raise: audio is not supported in this environment."""
    raise NotImplementedError(
        "librosa.load is a stand-in (envs/stand-ins/librosa): "
        "this environment converts object detection data, not audio"
    )


def get_duration(*args, **kwargs):
    """Raise: audio is not supported in this environment."""
    raise NotImplementedError(
        "librosa.get_duration is a stand-in (envs/stand-ins/librosa): "
        "this environment converts object detection data, not audio"
    )

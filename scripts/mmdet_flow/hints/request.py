"""What is wrong with a request, and the status that says so in HTTP."""

from http import HTTPStatus

from mmdet_flow.errors import DataError


class RequestError(DataError):
    """A request, or an image that it names, that is not answered with predictions."""

    def __init__(self, what: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(what)
        self.status = status

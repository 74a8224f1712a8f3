"""What HubSpot says when it refuses."""

import uuid
from typing import Any

from include.sandbox.messages import Answer, json_answer


class HubSpotError(Exception):
    """A request that HubSpot answers with an error.

    Args:
        status: HTTP status.
        message: For people.
        category: HubSpot's word for the kind of error.
    """

    def __init__(
        self, status: int, message: str, category: str = "VALIDATION_ERROR"
    ) -> None:
        super().__init__(message)
        self.status = status
        self.category = category

    def answer(self) -> Answer:
        """The error as it is sent."""
        return problem(self.status, str(self), category=self.category)


def problem(status: int, message: str, **more: Any) -> Answer:
    """An answer in HubSpot's shape of errors."""
    about = {"status": "error", "message": message, "correlationId": str(uuid.uuid4())}
    return json_answer(status, {**about, **more})


def refused(message: str) -> HubSpotError:
    """The error of a request that asks for something impossible."""
    return HubSpotError(400, message)

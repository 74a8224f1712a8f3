"""The task that stands in for a source whose definition is wrong."""

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator

from crm_warehouse.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context


class ConfigurationErrorOperator(BaseOperator):
    """Fails with the problems of a definition, so that they are seen and reported.

    Args:
        problems: One line each.
    """

    def __init__(self, *, problems: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.problems = problems

    def execute(self, context: "Context") -> NoReturn:
        """Fail.

        Raises:
            ConfigurationError: Always.
        """
        del context
        raise ConfigurationError(*self.problems)

"""How does JSON look here? camelCase names; what is asked with is exactly what is described."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Camel(BaseModel):
    """What is answered."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Asked(BaseModel):
    """What is asked with, in a body or a query: the API's own names, and nothing else."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, hide_input_in_errors=True
    )

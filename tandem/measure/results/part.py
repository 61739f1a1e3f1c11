"""What all parts of documents have in common: they do not change, and unknown fields are refused."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a document, or a whole one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

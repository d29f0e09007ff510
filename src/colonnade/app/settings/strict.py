# SPDX-License-Identifier: Apache-2.0
"""What every section of the declaration is made of. No section stands here."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$")]


class Strict(BaseModel):
    """Unknown keys are errors; values are not coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

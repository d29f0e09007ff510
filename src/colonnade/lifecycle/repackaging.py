# SPDX-License-Identifier: Apache-2.0
"""The live version with another serving script: the model stays, the code that answers with it changed.

A changed `serve.py` can fail as well as a changed model can, so it goes the same way: a version of its own, tried on
real requests, promoted or rolled back. Nothing is trained and no gate is asked, as the model has not changed; so it
does not wait for a candidate that is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from colonnade.lifecycle.doing import Tools
from colonnade.lifecycle.packaging import serving_of
from colonnade.lifecycle.pipelines import CHAMPION, Pipelines
from colonnade.lifecycle.wanted import Wanted
from colonnade.lifecycle.watching.due import Go

WORDS = "changed serving code"
STEPS = ("package",)
GO = Go(WORDS, ("code",))


def wanted_base(tools: Tools, pipelines: Pipelines, wanted: Wanted, kept: Mapping[str, str]) -> str:
    """The live version, where it is to be packaged with the serving code of now; "" where it has that code already,
    nothing is live, or this was tried before. `kept`: what a pipeline would begin with.
    """
    here = tools.state.rows("name_get", project=tools.journal.project, kind=CHAMPION, name=wanted.name)
    if not here:
        return ""
    live, now = str(here[0]["digest"]), serving_of(kept)
    if tools.artifacts.get(live).about.get("serving", {}) == now:
        return ""
    for row in pipelines.of_model(wanted.id):
        before = json.loads(row["wanted"])
        if before.get("base") == live and serving_of(before) == now:
            return ""
    return live

# SPDX-License-Identifier: Apache-2.0
"""English words so common that finding them says nothing.

Nothing domain-specific may enter: one list serves every collection.
"""

from __future__ import annotations

_WORDS = """
a about above after again against all also am an and any are aren't as at be because been before being below
between both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during each
few for from further had hadn't has hasn't have haven't having he her here hers herself him himself his how i
if in into is isn't it it's its itself just let's me more most my myself no nor not now of off on once only or
other our ours ourselves out over own same she should shouldn't so some such than that that's the their theirs
them themselves then there there's these they this those through to too under until up very was wasn't we were
weren't what what's when where which while who whom why will with won't would wouldn't you your yours yourself
yourselves
"""

STOP_WORDS = frozenset(_WORDS.split())

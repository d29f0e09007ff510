# SPDX-License-Identifier: Apache-2.0
"""Which of two versions answers a request: a hash of its key against the challenger's share. Nothing is stored.

No statistics and no traffic here. The hash does not depend on the share, so as the share grows keys move from
champion to challenger only: a key moves at most once in a rollout, and back only when the share falls, which is a
roll back.
"""

from __future__ import annotations

import hashlib

from colonnade.core.exchanges import Arm

_SPAN = 1 << 64


def arm_of(key: str, share: float, salt: str) -> Arm:
    """The arm of a request key while the challenger has `share` percent of the keys.

    Args:
        key: what stays together: a request, session or customer id. "" is a key like any other.
        share: percent, 0 to 100; 0 is all champion, 100 all challenger.
        salt: the rollout's id, so that another rollout tries itself on other keys.

    ValueError for a share outside 0 to 100.

    >>> [arm_of("customer-3", share, "rollout-1") for share in (0, 25, 50, 100)]
    ['champion', 'champion', 'challenger', 'challenger']
    """
    if not 0 <= share <= 100:
        raise ValueError(f"a share of {share} % is not between 0 and 100")
    # The salt's length goes before it: otherwise ("a", "bc") and ("ab", "c") would be one key.
    digest = hashlib.blake2b(f"{len(salt)}:{salt}{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return "challenger" if int.from_bytes(digest, "big") < int(_SPAN * share / 100) else "champion"

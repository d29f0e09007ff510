# SPDX-License-Identifier: Apache-2.0
"""Which MIG profile is enough for a share of a device. Names only: where instances may lie is the cluster's matter.

Profiles and their sizes: https://docs.nvidia.com/datacenter/tesla/mig-user-guide/, "Supported MIG Profiles".
"""

from __future__ import annotations

import re

from colonnade.core.claims import WHOLE

# Memory of the device in GB -> (compute slices, GB of memory) of each profile, the smallest first.
_PROFILES = {
    24: ((1, 6), (2, 12), (4, 24)),
    40: ((1, 5), (2, 10), (3, 20), (4, 20), (7, 40)),
    80: ((1, 10), (2, 20), (3, 40), (4, 40), (7, 80)),
    94: ((1, 12), (2, 24), (3, 47), (4, 47), (7, 94)),
    96: ((1, 12), (2, 24), (3, 48), (4, 48), (7, 96)),
    141: ((1, 18), (2, 35), (3, 71), (4, 71), (7, 141)),
    180: ((1, 23), (2, 45), (3, 90), (4, 90), (7, 180)),
}
_CHIPS = re.compile(r"A30|A100|H100|H200|GH200|B200", re.IGNORECASE)


def profile_for(model: str, gpu_milli: int, gpu_mib: int) -> str:
    """The smallest profile of a model ("H100-80GB") with that share and memory; "" when the model or none is known.

    A profile's memory is taken as its name says in GB of 10^9 bytes, which is no more than the driver gives.

    >>> profile_for("H100-80GB", 500, 0), profile_for("H100-80GB", 100, 9000), profile_for("A30-24GB", 250, 0)
    ('4g.40gb', '1g.10gb', '1g.6gb')
    >>> profile_for("H100-80GB", 100, 20480), profile_for("T4", 500, 0)
    ('3g.40gb', '')
    """
    size = re.search(r"(\d+)\s*GB", model, re.IGNORECASE)
    profiles = _PROFILES.get(int(size[1]), ()) if size and _CHIPS.search(model) else ()
    for slices, gigabytes in profiles:
        enough = slices * WHOLE >= gpu_milli * profiles[-1][0]
        if enough and gigabytes * 10**9 >= gpu_mib * 2**20:
            return f"{slices}g.{gigabytes}gb"
    return ""

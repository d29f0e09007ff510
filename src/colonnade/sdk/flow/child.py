# SPDX-License-Identifier: Apache-2.0
"""`python -P -m colonnade.sdk.flow.child`: the process of one step. What it does stands in `calling`, which a warm
interpreter has imported already.
"""

import sys

from colonnade.sdk.flow.calling import main

if __name__ == "__main__":
    sys.exit(main())

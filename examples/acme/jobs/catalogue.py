# SPDX-License-Identifier: Apache-2.0
"""A job to try leases with: reads the product pages, says how busy it pretends to be, prints what it counted.

    colonnade run --job catalogue

With simulated devices a job may write how busy it is into the file that $COLONNADE_SIMULATED_USE names, so that
`colonnade gpu` shows something. On a real GPU this file would be a program that uses it.
"""

import os
import time
from pathlib import Path

use = os.environ.get("COLONNADE_SIMULATED_USE")
seconds = float(os.environ.get("SECONDS_A_PAGE", "0.2"))
words = 0
pages = sorted(Path(__file__).parents[1].glob("products/*.md"))
for number, page in enumerate(pages, start=1):
    if use:
        Path(use).write_text("800 18000\n")
    words += len(page.read_text().split())
    print(f"{number} of {len(pages)}  {page.name}", flush=True)
    time.sleep(seconds)
print(f"{words:,} words on {os.environ.get('COLONNADE_GPUS', 'no')} GPU")

# SPDX-License-Identifier: Apache-2.0
"""The script of `train: builtin`: a step of a pipeline under the contract of users' own scripts (`lifecycle.work`).

One thread for arithmetic, so that equal data give equal bytes on one machine. What is learned and how stands beside
this file; a digest over all of it is among the parameters, so that a changed recipe is a changed input.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # read when numpy is imported, which happens below


def main() -> None:
    """The step that COLONNADE_STEP names."""
    from colonnade.adapters.learning import tabular, texts
    from colonnade.core.errors import ColonnadeError

    given, out = Path(os.environ["COLONNADE_INPUT"]), Path(os.environ["COLONNADE_OUTPUT"])
    told = json.loads(Path(os.environ["COLONNADE_PARAMETERS"]).read_text("utf-8"))
    kind = texts if told["task"] == "text-classification" else tabular
    try:
        if os.environ["COLONNADE_STEP"] == "train":
            kind.train(told, given, out)
        else:
            kind.evaluate(told, given, out)
    except ColonnadeError as error:
        sys.exit(f"{error.message}; {error.hint}" if error.hint else error.message)


if __name__ == "__main__":
    main()

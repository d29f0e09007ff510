# SPDX-License-Identifier: Apache-2.0
"""From passages to an answer that can be checked: verbatim quotes, or an abstention.

No retrieval and no language model here.
"""

from colonnade.knowledge.answer.calibration import PRIOR, Calibration, calibrate, pseudo_questions
from colonnade.knowledge.answer.extract import extract
from colonnade.knowledge.answer.passages import Extract, Passage, Quote, Reason, Source

__all__ = [
    "PRIOR",
    "Calibration",
    "Extract",
    "Passage",
    "Quote",
    "Reason",
    "Source",
    "calibrate",
    "extract",
    "pseudo_questions",
]

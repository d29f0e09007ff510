# SPDX-License-Identifier: Apache-2.0
"""Measure retrieval, answers and abstention on question sets. Nothing here decides how an answer is made."""

from colonnade.knowledge.evaluate.document import SCHEMA, document
from colonnade.knowledge.evaluate.measure import (
    Evaluation,
    Reply,
    evaluate_beir,
    evaluate_own,
    evaluate_squad,
)
from colonnade.knowledge.evaluate.picture import picture
from colonnade.knowledge.evaluate.runs import read_run, write_run

__all__ = [
    "SCHEMA",
    "Evaluation",
    "Reply",
    "document",
    "evaluate_beir",
    "evaluate_own",
    "evaluate_squad",
    "picture",
    "read_run",
    "write_run",
]

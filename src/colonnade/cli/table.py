# SPDX-License-Identifier: Apache-2.0
"""The commands, in the order in which `--help` shows them: name, module, one line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its module in `colonnade.cli` has `configure(parser)` and `run(args) -> int`."""

    name: str
    module: str
    line: str
    group: str


COMMANDS = (
    Command("init", "init", "Write a commented colonnade.yaml to start from", "Begin"),
    Command("plan", "plan", "Show how the declaration differs from what runs", "Begin"),
    Command("up", "up", "Apply the declaration and serve it", "Begin"),
    Command("down", "down", "Stop the daemon; nothing is deleted", "Begin"),
    Command("status", "status", "What is ready, what is not, and why", "Look"),
    Command("logs", "logs", "What the daemon did (-f follows)", "Look"),
    Command("doctor", "doctor", "Check this machine and this project", "Look"),
    Command("ask", "ask", "A grounded, cited answer", "Use"),
    Command("search", "search", "Passages that you may read, best first", "Use"),
    Command("keys", "keys", "API keys: create, list, revoke", "Use"),
    Command("evaluate", "evaluate", "Measure retrieval and answers on a question set", "Use"),
    Command("predict", "predict", "Predictions of a served model, for rows of a file", "Use"),
    Command("label", "label", "Tell what predicted rows turned out to be", "Use"),
    Command("rollback", "rollback", "Back to the version of a model that was live before", "Use"),
    Command("approve", "approve", "Say yes or no to what waits for a person's word", "Use"),
    Command("train", "train", "Train a model now and wait for the verdict; new data need no command", "Use"),
    Command("pipeline", "pipeline", "Run a pipeline of Python functions; what was done is found", "Use"),
    Command("run", "run", "Any command, under a lease on a share of the GPUs", "Fabric"),
    Command("gpu", "gpu", "Devices and leases: who holds what, how busy", "Fabric"),
    Command("simulate", "simulate", "What if: place a trace on nodes, compare policies, with a picture", "Fabric"),
    Command("render", "render", "The declaration as manifests for Kubernetes", "Fabric"),
    Command("why", "why", "Everything that led to an answer, a document, a decision", "Prove"),
    Command("impact", "impact", "Everything that a document, a run, a person touched", "Prove"),
    Command("verify", "verify", "Is the ledger intact? Checks everything, offline", "Prove"),
    Command("erase", "erase", "Erase a document or a person, provably; a second person approves", "Prove"),
    Command("backup", "backup", "The whole state as one signed file, also while the daemon serves", "Prove"),
    Command("restore", "restore", "A state from a backup, checked against its ledger", "Prove"),
    Command("gc", "gc", "Let go what was kept long enough, and what nothing needs", "Prove"),
    Command("checkpoint", "checkpoint", "The last signed checkpoint of the log; publish keeps it outside", "Prove"),
    Command("report", "report", "A report from evidence: each number proved, each hole visible", "Prove"),
    Command("openlineage", "openlineage", "Ingestion runs and pipelines as OpenLineage events", "Prove"),
    Command("scan", "scan", "May this model be loaded? Judges files without loading them", "Prove"),
    Command("explain", "explain", "What an error code means and what to do", "Help"),
    Command("completion", "completion", "Print a completion script for bash, zsh or fish", "Help"),
)

BY_NAME = {command.name: command for command in COMMANDS}

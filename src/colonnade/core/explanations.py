# SPDX-License-Identifier: Apache-2.0
"""Every stable error code in words: what it means and what to do. `colonnade explain` and docs/reference/errors.md read
this table;
a test compares it with the codes in the source.
"""

from __future__ import annotations

from collections.abc import Mapping

from colonnade.core.documents import UNREADABLE_CODES
from colonnade.core.http_codes import explained

_NEXT = {
    "encoding": "Save the file as UTF-8.",
    "too_large": "Split the file, or leave it out with `exclude:`.",
    "bomb": "If the file is genuine, unpack it and point at what is inside.",
    "timeout": "Try to convert it to text; report it if it is an ordinary file.",
    "corrupt": "Open it in its own program and save it anew.",
    "encrypted": "Save a copy without a password.",
    "no_text": "Run a text recogniser over it first; Colonnade has none in this release.",
    "unsupported": ("Convert it to one of the formats in docs/reference/formats.md, or leave it out with `exclude:`."),
    "outside": "Declare the folder that the link leads to as a source of its own.",
    "permission": "Let the daemon's user read it.",
    "erased": "Delete the file; it is never read again.",
}

EXPLANATIONS: Mapping[str, str] = {
    **{code: f"{text} {_NEXT[code]}" for code, text in UNREADABLE_CODES.items()},
    **{code: text for code, text in explained().items() if code not in UNREADABLE_CODES},
    "missing": (
        "A declared source is not there, or one that lies within it is not: then nothing new is read in it, so that "
        "a renamed folder does not get other readers. What was read stays. Make the folder, or mend the declaration."
    ),
    "error": "Something failed that has no code of its own. The message says what.",
    "usage": "A command was used wrongly. `colonnade COMMAND --help` shows how it is used.",
    "unknown_command": "There is no such command. `colonnade --help` lists them.",
    "declaration_invalid": (
        "colonnade.yaml is wrong at the line that the message names. `colonnade plan` checks it "
        "without changing anything."
    ),
    "not_found": "It does not exist, or you may not read it: the two answer alike.",
    "unknown_person": "Nobody of that name is declared or has a key. Name them in a group under `access:`.",
    "exists": "It is there already and is not overwritten.",
    "key_exists": "A key of that name is in force. Choose another name, or revoke it first.",
    "project_differs": "The state directory belongs to another project. Keep the name, or set COLONNADE_HOME.",
    "needs_daemon": "The command needs a running daemon. `colonnade up --detach` starts one.",
    "daemon_failed": "The daemon ended while it was starting. `colonnade logs` and logs/daemon.out say why.",
    "daemon_stuck": "The daemon holds its lock but does not listen. `colonnade logs` says what it is doing.",
    "port_taken": "Another program listens on that port. Choose another: `gateway.port`, or `up --port`.",
    "unavailable": "Something that is needed did not answer.",
    "upstream_down": (
        "The language model or embedding endpoint did not answer, or answered nonsense. Answers fall back to quotes."
    ),
    "missing_extra": "An optional package is not installed. The message names the command that installs it.",
    "state": "The state store could not do it. `colonnade doctor` looks further.",
    "state_missing": "Nothing was ever up here. `colonnade up` begins.",
    "erasure_unfinished": (
        "The keys are destroyed, but something of it lies there still: the message says what. Ask for the erasure "
        "again, or start the daemon anew: it goes on where it stopped."
    ),
    "erasures_unwritable": "The list of erasures beside the keys is unwritable; nothing was erased. Mend its folder.",
    "erasures_damaged": "The list of erasures beside the keys cannot be read. Restore it from your backup of the keys.",
    "backup_damaged": "The backup was changed or cut off since it was made. Nothing was restored; use another one.",
    "backup_unreadable": "The backup cannot be opened. The message says why.",
    "keys_locked": "The passphrase does not open the file of keys.",
    "state_locked": "Another process writes the state. One daemon per state directory.",
    "state_newer": "The state was written by a newer release. Use that release.",
    "state_damaged": "The state file is damaged. Restore it from a backup; `colonnade verify` says what is wrong.",
    "state_changed_while_closed": (
        "The state file is not the one that the last daemon closed and sealed: something wrote to it while no daemon "
        "ran. What the ledger covers is checked by `colonnade verify`; rights, sealed text and vectors are not in it. "
        "Restore a backup unless it was you. The alarm ends with the daemon's next clean stop and start."
    ),
    "storage_full": (
        "No space is left where the state lies. Free some; nothing acknowledged was lost, and "
        "ingestion goes on by itself."
    ),
    "index_unusable": (
        "The file of the search index is absent, damaged, or of another release or key. It is only a cache: the index "
        "is built again from the stored passages, nothing is lost."
    ),
    "lost": "A lease or a compare-and-set went to somebody else, who goes on.",
    "unreadable": "A source file cannot be read; its own code says why.",
    "tampered": "The ledger or the state is not what was signed. `colonnade verify` says what and where.",
    "keys_missing": (
        "The keys of this log are not there. Set COLONNADE_KEYS to the folder that holds them, or "
        "restore them from a backup."
    ),
    "keys_exposed": "Others may read the keys. Make the folder 0700 and the files 0600.",
    "keys_damaged": "A key file is damaged. Restore it from a backup.",
    "sealed_tampered": "A sealed value does not open: it was changed, or belongs elsewhere. Restore it from a backup.",
    "blob_tampered": "A stored file holds other bytes than its name says. Restore it from a backup.",
    "signature": "A checkpoint or seal is not signed by the log's key. `colonnade verify` says which.",
    "seal_open": "The state file was not closed before it was to be sealed. Start and stop the house once.",
    "unsafe_pickle": (
        "A file of the model holds a pickle that could run code, or cannot be read to its end, so it is not loaded. "
        "Write the model without pickle (ONNX, safetensors, JSON); `colonnade scan` says what was found where."
    ),
    "data_missing": "A model's data are not there, or too few of their rows can be used. `data:` names files.",
    "data_too_large": (
        "A model's data are larger than what is read at once. Take a part of them, newer or drawn at random, or put "
        "them together before they come here."
    ),
    "table_unreadable": (
        "A file is no table: CSV is UTF-8 text with a header and as many values in each line, JSON lines hold one "
        "object each, and Parquet must be whole."
    ),
    "source_down": "A database or an object store that data come from does not answer. It is asked again by itself.",
    "source_refused": (
        "A database or an object store refused the login, or the variable that holds it is not set. Secrets come from "
        "the environment of the daemon, by the names in `url_env`, `password_env`, `key_env` and `secret_env`."
    ),
    "query_invalid": "A query is refused. It may only read, in one statement, and give every column a name of its own.",
    "query_slow": "A query took longer than `timeout_s`. Make it cheaper, or raise the bound.",
    "time_unreadable": "A value of the column `time` is neither a number nor a date by ISO 8601, so it has no order.",
    "plan_invalid": "A pipeline's function called steps in a way that makes no plan: too many, or not in an order.",
    "step_input": "A step was to be called with a part of a result that is not there, or `each` was given no list.",
    "step_result": "A step ended well, but what it gave is no value that passes between steps.",
    "pipeline_failed": "A step of a pipeline failed for good. The message has its end, `colonnade logs run/ID` all.",
    "search_failed": "Not one trial of a search ended with a measured value; the message has the first reason.",
    "script_missing": "A model's script cannot be read. `train:` and `evaluate:` are relative to the declaration.",
    "script_invalid": "A model's script is no Python that this interpreter understands.",
    "model_missing": "The training script ended well, but wrote no file into the folder of COLONNADE_OUTPUT.",
    "metrics_missing": "The evaluation must write metrics.json: one mapping of names to finite numbers.",
    "predictions_invalid": "predictions.csv needs one finite number for each row of test.csv in each of its columns.",
    "replica_failed": (
        "The process that answers with the model ends again and again. `colonnade logs` of its run says why; it is "
        "tried again, more seldom each time."
    ),
    "nothing_signed": "No checkpoint of the log is there yet. `colonnade up` signs one within a second.",
    "not_empty": "The folder is there and holds something; it is not written into. Give one that is new or empty.",
    "checkpoint": "What was given as a checkpoint is none of this log.",
    "checkpoint_unreadable": "The file of a checkpoint cannot be read. `colonnade checkpoint publish FILE` writes one.",
    "notify_failed": (
        "A receiver of `notify` did not take a notice. It is tried again, more and more seldom, for a day; nothing "
        "else waits for it. Look at its address, its certificate and what it answers."
    ),
    "publish_failed": "The place that is to keep the checkpoint did not take it. Nothing else was changed; try again.",
    "log_rewritten": (
        "A checkpoint that was published before does not fit the log of now: entries were taken away or rewritten. "
        "Keep that checkpoint, it is the evidence; `colonnade verify --since` says more."
    ),
    "vectors_unreadable": "A folder of Merkle vectors holds none, or one that cannot be read.",
    "internal": "An error of ours. The log has where; please report it.",
}

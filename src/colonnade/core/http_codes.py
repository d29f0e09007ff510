# SPDX-License-Identifier: Apache-2.0
"""Every error code that comes over HTTP: its status, what it means, what to do. Docs and `explain` read this table.

Codes of the error tree that keep their meaning over HTTP (`unavailable`, `storage_full`, ...) stand in `explanations`.
"""

from __future__ import annotations

from collections.abc import Mapping

HTTP_CODES: Mapping[str, tuple[int, str]] = {
    "no_key": (401, "The request carries no key. Send `Authorization: Bearer KEY`, or sign in."),
    "invalid_key": (401, "The key is unknown, revoked or past its end: see `colonnade keys list`."),
    "not_owner": (403, "Only an owner's key may ask as somebody else."),
    "origin_not_allowed": (403, "A page of another site sent the request. Call from a server, or from the console."),
    "host_not_allowed": (421, "The Host header is not one that this gateway answers to. Add it to `gateway.hosts`."),
    "not_found": (404, "It does not exist, or you may not see it: the two answer alike."),
    "unknown_route": (
        404,
        "There is no such route, or it is one of OpenAI's that is not served: see `GET /openapi.json`.",
    ),
    "model_not_found": (404, "No service or embedding model has that name. `GET /v1/models` lists them."),
    "method_not_allowed": (405, "The path knows other methods; the header `allow` names them."),
    "body_timeout": (408, "The body did not arrive within 30 seconds. Send it again."),
    "too_large": (413, "The body is larger than `gateway.max_body_bytes` (10 MiB by default)."),
    "unsupported_media_type": (415, "A form must be application/x-www-form-urlencoded."),
    "invalid_form": (400, "The form has more than 100 fields."),
    "invalid_json": (400, "The body is not JSON. The message says where."),
    "invalid_type": (400, "A parameter has the wrong type; `param` names it."),
    "invalid_value": (400, "A parameter has a value that cannot be used; `param` names it."),
    "missing_required_parameter": (400, "A parameter is missing; `param` names it."),
    "unsupported_parameter": (400, "A parameter asks for what an answer with citations cannot give; `param` names it."),
    "no_knowledge": (400, "The service has no knowledge to answer from. Use chat completions, or another service."),
    "unknown_person": (400, "Nobody of that name is declared or has a key. Name them in a group under `access:`."),
    "declaration_invalid": (400, "The declaration is wrong at the line that the message names."),
    "no_compute": (
        404,
        "The declaration has no section `compute`. Add `compute: {devices: nvml}`, then `colonnade up`.",
    ),
    "isolation_unavailable": (
        403,
        (
            "No device offers isolation that strong. Ask for less with `--isolation-at-least`; "
            "docs/concepts/isolation.md says what each level keeps."
        ),
    ),
    "compute_down": (
        503,
        (
            "The driver of the declared devices does not answer, so there are none; everything else goes on. The "
            "message says what is missing. It is asked again every 15 seconds, without a restart."
        ),
    ),
    "claim_impossible": (
        400,
        (
            "Even with everything free, no machine has what was asked for, or the queue may never use so much. "
            "`colonnade gpu` shows what there is."
        ),
    ),
    "unknown_lease": (400, "Nothing is held or asked for under that name. `colonnade gpu` lists the leases."),
    "unknown_device": (400, "There is no such device. `colonnade gpu` lists them by place, uuid and ref."),
    "unknown_queue": (400, "No queue of that name is declared under `compute.queues`."),
    "unknown_job": (400, "No job of that name is declared under `compute.jobs`."),
    "unknown_pipeline": (400, "No pipeline of that name is declared, and it is no FILE.py:FUNCTION of the project."),
    "may_not_approve": (
        403,
        (
            "The word of this key's person does not count here. `approve:` of the declaration names whose does, "
            "`colonnade approve` lists what waits and for whom."
        ),
    ),
    "refused": (403, "A policy or a gate said no."),
    "overloaded": (429, "The service has as many requests under way as it takes. Try again after `retry-after`."),
    "service_unready": (503, "No replica answers for the service's model yet. `colonnade status` says why."),
    "model_timeout": (504, "The model did not answer in time. It may be busy, or hang: `colonnade logs` of its run."),
    "model_failed": (500, "The model raised an error on this request. `colonnade logs` of the replica's run has it."),
    "nothing_live": (400, "No version of the model is live yet. `colonnade status` says why."),
    "no_way_back": (400, "No other version of the model was live before. `--to VERSION` names one."),
    "not_asked": (400, "Nobody is asked any more: it was decided, goes on by itself, or has ended."),
    "may_not_erase": (403, "The owner asks for an erasure, or a person for themselves alone; another approves it."),
    "erasure_busy": (403, "Something of that person runs still. End it (`colonnade gpu release`), then ask again."),
    "nobody_approves": (400, "An erasure needs the word of a second person, and none is declared under `access:`."),
    "nothing_to_do": (400, "That version is live already."),
    "no_embedder": (503, "The embedding weights are not installed. `colonnade doctor` prints the command."),
    "upstream_down": (
        503,
        "The language model cannot be reached or broke off. With knowledge, quotes answer in its place.",
    ),
    "upstream_timeout": (504, "The language model did not answer, or did not go on, in time."),
    "upstream_error": (502, "The language model answered nonsense, or reported an error of its own."),
    "upstream_refused": (502, "The language model refused this gateway: look at `answer_with` (url, model, key_env)."),
    "exists": (400, "It is there already and is not overwritten."),
    "not_implemented": (501, "Of MLflow's API, but not served here: docs/how-to/track-with-mlflow.md says what is."),
    "gateway_failed": (503, "The gateway did not start. The log says why."),
    "internal": (500, "An error of ours. The log has more under the reference in the message; please report it."),
}


def explained() -> dict[str, str]:
    """Code to text, for `explain`."""
    return {code: text for code, (_, text) in HTTP_CODES.items()}

# SPDX-License-Identifier: Apache-2.0
"""What was asked of a served model and what it answered, as the gateway tells it to whoever watches. Plain values.

The gateway makes one `Exchange` a request; whoever keeps them, or learns the truth later, makes `Outcome`s of them.
Nothing here decides anything.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Arm = Literal["champion", "challenger"]


class Reply(NamedTuple):
    """What one version made of one request.

    Attributes:
        version: of the model, `sha256:HEX`.
        ms: from the moment the request was handed over until its answer was there.
        error: it could not answer (5xx, lost, too late); a request that is wrong itself (4xx) is no error.
        data: the answer's bytes as they were sent, or b"".
        mark: how many of the bytes are JSON, where tensors follow; else 0.
        late: it is an error because nobody waited longer; `ms` says how long.
    """

    version: str
    ms: float
    error: bool
    data: bytes
    mark: int = 0
    late: bool = False


class Exchange(NamedTuple):
    """One request to a service with a model.

    Attributes:
        ref: `request/HEX`, as the answer names it.
        service: its name.
        rollout: id of the rollout under way, or "".
        key: what keeps requests of one customer or session together: the request's own, or the ref.
        kind: `predicting.ROWS` or `predicting.TENSORS`; `mark` as in `predicting.Item`.
        body: the request's rows or tensors, as they came.
        at_ms: when it came, by the system's clock.
        sent: whose answer was sent. The other arm's reply is there where both were asked, and where the challenger
            could not answer and the champion did instead.
        share: percent of the keys that the challenger had then; 0 in a shadow phase and without a rollout.
        paired: both were asked whatever the other would do (in a shadow phase, and in the last stage, where it is the
            champion whom nobody hears), so that the two replies may be compared.
    """

    ref: str
    service: str
    rollout: str
    key: str
    kind: int
    mark: int
    body: bytes
    at_ms: int
    sent: Arm
    champion: Reply | None
    challenger: Reply | None
    share: float = 0.0
    paired: bool = False


class Outcome(NamedTuple):
    """The truth about one predicted row has arrived.

    Attributes:
        ref, row: the request and the row's place in it.
        service, rollout: as in its exchange.
        at_ms: of the request.
        group: the value of the declared group column in that row, or "".
        champion, challenger: how wrong each version was, 0 right to 1 wrong; None where it did not answer.
    """

    ref: str
    row: int
    service: str
    rollout: str
    at_ms: int
    group: str
    champion: float | None
    challenger: float | None

-- SPDX-License-Identifier: Apache-2.0
-- What others are told of: one row for each notice and receiver, written as soon as the log has the event.

-- `id`: the entry that it tells of. `receiver`: a digest of its address. `body`: what is sent, the same at every try. state: waiting, sent, given_up.
CREATE TABLE notices (
  receiver TEXT NOT NULL, id TEXT NOT NULL, project TEXT NOT NULL, event TEXT NOT NULL, body TEXT NOT NULL, at_ms INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting', attempts INTEGER NOT NULL DEFAULT 0, next_ms INTEGER NOT NULL, ended_ms INTEGER, error TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (receiver, id)
) WITHOUT ROWID;
CREATE INDEX notices_due ON notices (receiver, next_ms) WHERE state = 'waiting';

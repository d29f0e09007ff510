-- SPDX-License-Identifier: Apache-2.0
-- What somebody asked to be erased, how far that is, and what is never to be read again.

-- state: asked (a second person is to decide), erasing, done, denied. `what`: document, person. `plan`: JSON of ids and counts, no names.
CREATE TABLE erasures (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, what TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, plan TEXT NOT NULL,
  asked_by TEXT NOT NULL, asked_ms INTEGER NOT NULL, approver TEXT NOT NULL DEFAULT '', decision TEXT NOT NULL DEFAULT '', run TEXT NOT NULL DEFAULT '',
  decided_ms INTEGER, ended_ms INTEGER, proof TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE UNIQUE INDEX erasures_open ON erasures (subject) WHERE state IN ('asked', 'erasing');

-- Bytes that are never read again, known by a MAC of their digest under the project's key.
CREATE TABLE tombstones (project TEXT NOT NULL, mac BLOB NOT NULL, erasure TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (project, mac)) WITHOUT ROWID;

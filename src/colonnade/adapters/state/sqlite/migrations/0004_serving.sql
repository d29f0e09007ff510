-- SPDX-License-Identifier: Apache-2.0
-- Processes that answer predictions, and roll backs by hand.

-- A process that serves one version of a model. `place`: its folder below work/; `code`: a digest of the user's own script, or ''.
CREATE TABLE replicas (
  lease TEXT PRIMARY KEY, run TEXT NOT NULL, project TEXT NOT NULL, service TEXT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL,
  code TEXT NOT NULL, place TEXT NOT NULL, state TEXT NOT NULL, told TEXT NOT NULL DEFAULT '{}', created_ms INTEGER NOT NULL,
  ready_ms INTEGER, idle_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX replicas_service ON replicas (service) WHERE state <> 'ended';
CREATE TABLE rollbacks (
  project TEXT NOT NULL, model TEXT NOT NULL, generation INTEGER NOT NULL, was TEXT NOT NULL, version TEXT NOT NULL, decision TEXT NOT NULL,
  at_ms INTEGER NOT NULL, PRIMARY KEY (model, generation)
) WITHOUT ROWID;

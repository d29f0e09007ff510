-- SPDX-License-Identifier: Apache-2.0
-- New versions tried on real requests; what was asked and answered; what turned out to be true; what rang.

-- A version that passed its gates, on its way to be the live one. `config`, `canary`: JSON, what was declared then and the evidence so far.
-- state: shadow, canary, asked (a person is to decide), held (its truth is missing), ended. outcome: promoted, rolled_back, superseded, failed.
CREATE TABLE rollouts (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, model TEXT NOT NULL, pipeline TEXT NOT NULL, decision TEXT NOT NULL,
  champion TEXT NOT NULL, challenger TEXT NOT NULL, state TEXT NOT NULL, config TEXT NOT NULL, canary TEXT NOT NULL DEFAULT '{}',
  stage INTEGER NOT NULL DEFAULT -1, share_millionths INTEGER NOT NULL DEFAULT 0, requests INTEGER NOT NULL DEFAULT 0, exposed INTEGER NOT NULL DEFAULT 0,
  outcome TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', approver TEXT NOT NULL DEFAULT '', verdict TEXT NOT NULL DEFAULT '',
  began_ms INTEGER NOT NULL, stage_ms INTEGER NOT NULL, ended_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX rollouts_model ON rollouts (model, id);

-- Requests and answers in the order in which they came, many in one sealed piece: one row a second or so, not one a request.
CREATE TABLE captures (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, service TEXT NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL,
  sealed BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX captures_service ON captures (service, first_ms);

-- What a predicted row turned out to be, as it was told or found in data that came later.
CREATE TABLE truths (
  project TEXT NOT NULL, service TEXT NOT NULL, request TEXT NOT NULL, place INTEGER NOT NULL, at_ms INTEGER NOT NULL, sealed BLOB NOT NULL,
  PRIMARY KEY (service, request, place)
) WITHOUT ROWID;

-- Detectors that rang on what is served. `detector`: JSON, its state is kept under `watch/SERVICE/MEASURE` in meta. `run`: the pipeline that it began.
CREATE TABLE alarms (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, model TEXT NOT NULL, service TEXT NOT NULL, measure TEXT NOT NULL, told TEXT NOT NULL,
  at_ms INTEGER NOT NULL, run TEXT NOT NULL DEFAULT '', ended_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX alarms_model ON alarms (model, id);

-- SPDX-License-Identifier: Apache-2.0
-- Models and the pipelines that make them: what was run on what, what came out, what was said of it.

CREATE TABLE models (id TEXT PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (project, name)) WITHOUT ROWID;
ALTER TABLE runs ADD COLUMN parent TEXT;
CREATE INDEX runs_parent ON runs (parent) WHERE parent IS NOT NULL;

-- Bytes of artifacts, once for each content; sealed in blobs.
CREATE TABLE artifact_files (project TEXT NOT NULL, content TEXT NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (project, content)) WITHOUT ROWID;

-- What a step gave for exactly these inputs, code, parameters and environment.
CREATE TABLE steps (
  project TEXT NOT NULL, key TEXT NOT NULL, artifact TEXT NOT NULL, subject TEXT NOT NULL, run TEXT NOT NULL, finished_ms INTEGER NOT NULL,
  PRIMARY KEY (project, key)
) WITHOUT ROWID;

CREATE TABLE pipelines (
  run TEXT PRIMARY KEY, project TEXT NOT NULL, model TEXT NOT NULL, cause TEXT NOT NULL, wanted TEXT NOT NULL, state TEXT NOT NULL,
  outcome TEXT NOT NULL DEFAULT '', version TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', metrics TEXT NOT NULL DEFAULT '{}',
  decision TEXT NOT NULL DEFAULT '', created_ms INTEGER NOT NULL, finished_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX pipelines_model ON pipelines (model, run);
CREATE TABLE pipeline_steps (
  pipeline TEXT NOT NULL, step TEXT NOT NULL, place INTEGER NOT NULL, state TEXT NOT NULL, key TEXT NOT NULL DEFAULT '', run TEXT NOT NULL DEFAULT '',
  lease TEXT NOT NULL DEFAULT '', artifact TEXT NOT NULL DEFAULT '', subject TEXT NOT NULL DEFAULT '', attempts INTEGER NOT NULL DEFAULT 0,
  not_before_ms INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', told TEXT NOT NULL DEFAULT '{}', started_ms INTEGER, finished_ms INTEGER,
  PRIMARY KEY (pipeline, step)
) WITHOUT ROWID;

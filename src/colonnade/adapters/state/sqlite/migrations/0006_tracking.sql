-- SPDX-License-Identifier: Apache-2.0
-- What others' programs tell of their runs, as MLflow's clients do: runs, series of measurements, models, aliases.
-- Whatever a person wrote (names, parameters, tags, paths) is sealed; what is sorted or counted by is not.

-- A group of runs under a number that clients know. Its name is found by `name_mac`.
CREATE TABLE experiments (
  project TEXT NOT NULL, number INTEGER NOT NULL, name_mac BLOB NOT NULL, stage TEXT NOT NULL, made_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,
  sealed BLOB NOT NULL, PRIMARY KEY (project, number), UNIQUE (project, name_mac)
) WITHOUT ROWID;

-- A run (kind run, its id stands in `runs`) or a model that one gave (kind model). stage: active, deleted. `sealed`: JSON under its own key.
CREATE TABLE tracked (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL, kind TEXT NOT NULL, experiment INTEGER NOT NULL,
  state TEXT NOT NULL, stage TEXT NOT NULL, began_ms INTEGER, ended_ms INTEGER, made_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,
  revision INTEGER NOT NULL DEFAULT 1, sealed BLOB NOT NULL
);
CREATE INDEX tracked_experiment ON tracked (project, experiment, kind);

-- Measurements. `series` counts the names that stand in the owner's sealed JSON. What comes together lies together: by step, then by series.
CREATE TABLE tracked_points (
  owner INTEGER NOT NULL, step INTEGER NOT NULL, series INTEGER NOT NULL, at_ms INTEGER NOT NULL, value REAL NOT NULL, nan INTEGER NOT NULL,
  PRIMARY KEY (owner, step, series, at_ms, value, nan)
) WITHOUT ROWID;
CREATE TABLE tracked_latest (
  owner INTEGER NOT NULL, series INTEGER NOT NULL, step INTEGER NOT NULL, at_ms INTEGER NOT NULL, value REAL NOT NULL, nan INTEGER NOT NULL,
  PRIMARY KEY (owner, series)
) WITHOUT ROWID;

-- Data sets that a run read, as its program described them.
CREATE TABLE tracked_inputs (owner INTEGER NOT NULL, place INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (owner, place)) WITHOUT ROWID;

-- Files of a run or model; their bytes are `artifact_files`.
CREATE TABLE tracked_files (
  owner INTEGER NOT NULL, path_mac BLOB NOT NULL, path BLOB NOT NULL, content TEXT NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (owner, path_mac)
) WITHOUT ROWID;

-- Models under a name (of `models`), their versions, and names that point to a version.
CREATE TABLE registered (
  model TEXT PRIMARY KEY, project TEXT NOT NULL, made_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, sealed BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE model_versions (
  model TEXT NOT NULL, version INTEGER NOT NULL, project TEXT NOT NULL, digest TEXT NOT NULL, run TEXT NOT NULL, made_ms INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL, gone INTEGER NOT NULL DEFAULT 0, sealed BLOB NOT NULL, PRIMARY KEY (model, version)
) WITHOUT ROWID;
CREATE TABLE aliases (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, model TEXT NOT NULL, alias TEXT NOT NULL, version INTEGER, UNIQUE (model, alias)
) WITHOUT ROWID;

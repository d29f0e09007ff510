-- SPDX-License-Identifier: Apache-2.0
-- Pipelines of a user's own functions, and trials of parameters. Their runs are rows of `pipelines`, whose `model` is then the id of a flow.

CREATE TABLE flows (id TEXT PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (project, name)) WITHOUT ROWID;

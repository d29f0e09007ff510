-- SPDX-License-Identifier: Apache-2.0
-- What requests, runs and steps took, stage by stage: many in one sealed piece, one piece a second or so.

-- holder: under whose key the piece lies: the project, or the principal whose program sent the spans. first_ms, last_ms: when its traces began and ended.
CREATE TABLE traces (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, holder TEXT NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL,
  failed INTEGER NOT NULL, sealed BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX traces_time ON traces (project, first_ms);

-- Where a trace lies whose id does not say when it began: ids that clients made, runs, and requests of minutes.
CREATE TABLE trace_places (trace TEXT NOT NULL, piece TEXT NOT NULL, PRIMARY KEY (trace, piece)) WITHOUT ROWID;
CREATE INDEX trace_places_piece ON trace_places (piece);
CREATE INDEX runs_ended ON runs (project, finished_ms, id) WHERE finished_ms IS NOT NULL;
CREATE INDEX runs_begun ON runs (project, created_ms, id);
CREATE INDEX pipeline_steps_run ON pipeline_steps (run) WHERE run <> '';

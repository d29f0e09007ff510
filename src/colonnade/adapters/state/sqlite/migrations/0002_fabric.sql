-- SPDX-License-Identifier: Apache-2.0
-- Devices, queues, leases on devices, and the commands that run under them.

-- With. What is used of a device is held to its bounds by the engine itself: whatever runs beside us, a share cannot be given twice.
CREATE TABLE devices (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, uuid TEXT NOT NULL, node TEXT NOT NULL, place INTEGER NOT NULL, model TEXT NOT NULL,
  memory_mib INTEGER NOT NULL, isolation TEXT NOT NULL, health TEXT NOT NULL, profile TEXT NOT NULL,
  cordoned INTEGER NOT NULL DEFAULT 0, generation INTEGER NOT NULL DEFAULT 1, seen_ms INTEGER NOT NULL,
  used_milli INTEGER NOT NULL DEFAULT 0 CHECK (used_milli BETWEEN 0 AND 1000),
  used_mib INTEGER NOT NULL DEFAULT 0 CHECK (used_mib >= 0 AND (memory_mib = 0 OR used_mib <= memory_mib)),
  UNIQUE (project, uuid)
) WITHOUT ROWID;
CREATE TABLE queues (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL, guaranteed_milli INTEGER NOT NULL, limit_milli INTEGER,
  UNIQUE (project, name)
) WITHOUT ROWID;
CREATE TABLE leases (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, run TEXT NOT NULL, principal TEXT NOT NULL, queue TEXT NOT NULL, state TEXT NOT NULL,
  claim TEXT NOT NULL, priority INTEGER NOT NULL, gang TEXT NOT NULL, gang_size INTEGER NOT NULL, movable INTEGER NOT NULL, attached INTEGER NOT NULL,
  asked_ms INTEGER NOT NULL, granted_ms INTEGER, releasing_ms INTEGER, ended_ms INTEGER,
  node TEXT, devices TEXT NOT NULL DEFAULT '[]', isolation TEXT, borrowed INTEGER NOT NULL DEFAULT 0, token INTEGER NOT NULL DEFAULT 0,
  started INTEGER NOT NULL DEFAULT 0, pid INTEGER, reason TEXT NOT NULL DEFAULT '', gives_way_to TEXT, grace_ms INTEGER NOT NULL DEFAULT 10000,
  busy_ms INTEGER, sampled_ms INTEGER, busy_mib INTEGER NOT NULL DEFAULT -1, code INTEGER, outcome TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX leases_open ON leases (state, id) WHERE state <> 'ended';
CREATE INDEX leases_run ON leases (run);
CREATE INDEX leases_ended ON leases (ended_ms) WHERE state = 'ended';

-- Doing. What a run executes, sealed under the run's key; what is in its environment is forgotten once it has ended.
CREATE TABLE run_works (run TEXT PRIMARY KEY, project TEXT NOT NULL, command BLOB NOT NULL, environment BLOB) WITHOUT ROWID;

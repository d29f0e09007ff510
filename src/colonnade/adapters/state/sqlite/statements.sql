-- SPDX-License-Identifier: Apache-2.0
-- Every statement of the sqlite engine. `-- name:` starts one; the comment after it says what it is for.

-- name: meta_get
-- One fact about this state directory.
SELECT value FROM meta WHERE key = :key;

-- name: meta_put
-- Set one fact about this state directory.
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: entry_add
-- Append a leaf to the log; the sequencer gives it an index.
INSERT INTO entries (id, project, bytes, hash) VALUES (:id, :project, :bytes, :hash);

-- name: edge_add
-- One ref of a leaf.
INSERT INTO edges (event, place, subject, role, ref) VALUES (:event, :place, :subject, :role, :ref);

-- name: subject_add
-- Which leaf speaks of which subject.
INSERT INTO subjects (subject, event, kind) VALUES (:subject, :event, :kind);

-- name: entries_unsequenced
-- Leaves without an index, oldest first.
SELECT seq, id, hash FROM entries WHERE idx IS NULL ORDER BY seq LIMIT :limit;

-- name: entry_sequence
-- Give a leaf its index, once.
UPDATE entries SET idx = :idx WHERE seq = :seq AND idx IS NULL;

-- name: entries_from
-- Leaves by index.
SELECT seq, id, project, bytes, hash, idx FROM entries WHERE idx >= :first ORDER BY idx LIMIT :limit;

-- name: entries_all_from_seq
-- Leaves in the order of appending, with or without an index.
SELECT seq, id, project, bytes, hash, idx FROM entries WHERE seq > :seq ORDER BY seq LIMIT :limit;

-- name: entry_by_id
-- One leaf.
SELECT seq, id, project, bytes, hash, idx FROM entries WHERE id = :id;

-- name: entries_of_subject
-- The leaves that speak of a subject, oldest first.
SELECT e.seq, e.id, s.kind, e.bytes, e.hash, e.idx FROM subjects s JOIN entries e ON e.id = s.event WHERE s.subject = :subject ORDER BY e.seq;

-- name: edges_of_subject
-- Edges that lead from a subject to what led to it.
SELECT event, subject, role, ref FROM edges WHERE subject = :subject ORDER BY event, place;

-- name: edges_to_ref
-- Edges that lead to a ref, from what it touched.
SELECT event, subject, role, ref FROM edges WHERE ref = :ref ORDER BY event, place;

-- name: edges_from_event
-- All edges, in order, after one event; for checking against the leaves.
SELECT event, place, subject, role, ref FROM edges WHERE event > :event ORDER BY event, place LIMIT :limit;

-- name: edges_of_event
-- The edges of one leaf.
SELECT place, subject, role, ref FROM edges WHERE event = :event ORDER BY place;

-- name: edges_count
-- How many edges there are.
SELECT count(*) AS count FROM edges;

-- name: entries_count
-- How many leaves there are, and how many have an index.
SELECT count(*) AS count, count(idx) AS sequenced FROM entries;

-- name: checkpoint_add
-- A signed tree head with the compact frontier that continues it.
INSERT INTO checkpoints (size, root, frontier, note, at_ms) VALUES (:size, :root, :frontier, :note, :at_ms);

-- name: checkpoint_last
-- The newest signed tree head.
SELECT size, root, frontier, note, at_ms FROM checkpoints ORDER BY size DESC LIMIT 1;

-- name: checkpoints_all
-- Every signed tree head, smallest first.
SELECT size, root, note, at_ms FROM checkpoints ORDER BY size;

-- name: subject_key_add
-- Keep a subject's wrapped key, unless it has one.
INSERT INTO subject_keys (subject, project, wrapped) VALUES (:subject, :project, :wrapped) ON CONFLICT (subject) DO NOTHING;

-- name: subject_key_get
-- A subject's wrapped key; NULL once destroyed.
SELECT project, wrapped FROM subject_keys WHERE subject = :subject;

-- name: subject_key_destroy
-- Forget a subject's key for ever.
UPDATE subject_keys SET wrapped = NULL WHERE subject = :subject;

-- name: lease_get
-- Who holds a row lease.
SELECT name, holder, token, expires_ms FROM row_leases WHERE name = :name;

-- name: lease_take
-- Take a row lease that is free, expired, or already ours; the token grows whenever it changes hands.
INSERT INTO row_leases (name, holder, token, expires_ms) VALUES (:name, :holder, 1, :expires_ms)
ON CONFLICT (name) DO UPDATE SET
  token = CASE WHEN holder = excluded.holder THEN token ELSE token + 1 END,
  holder = excluded.holder, expires_ms = excluded.expires_ms
WHERE holder = excluded.holder OR expires_ms <= :now_ms;

-- name: lease_release
-- Give a row lease back.
UPDATE row_leases SET expires_ms = 0 WHERE name = :name AND holder = :holder AND token = :token;

-- name: leases_all
-- Every row lease.
SELECT name, holder, token, expires_ms FROM row_leases ORDER BY name;

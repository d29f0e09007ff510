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
INSERT INTO entries (id, project, subject, kind, bytes, hash) VALUES (:id, :project, :subject, :kind, :bytes, :hash);

-- name: edge_add
-- One ref of a leaf.
INSERT INTO edges (subject, seq, place, role, ref) VALUES (?, ?, ?, ?, ?);

-- name: entries_unsequenced
-- Leaves without an index, oldest first.
SELECT seq, hash FROM entries WHERE idx IS NULL ORDER BY seq LIMIT :limit;

-- name: entry_sequence
-- Give a leaf its index, once.
UPDATE entries SET idx = :idx WHERE seq = :seq AND idx IS NULL;

-- name: entries_newest
-- The newest leaves, newest first, before a place in the order of appending.
SELECT seq, id, project, subject, kind, bytes, hash, idx FROM entries WHERE seq < :seq ORDER BY seq DESC LIMIT :limit;

-- name: entries_before
-- A page of the log: leaves below an index, newest first.
SELECT idx, bytes FROM entries WHERE idx < :before ORDER BY idx DESC LIMIT :limit;

-- name: entries_hashes
-- Leaf hashes by index, to continue a tree.
SELECT idx, hash FROM entries WHERE idx >= :first ORDER BY idx LIMIT :limit;

-- name: entries_by_index
-- Leaves by index, for an export.
SELECT idx, project, bytes, hash FROM entries WHERE idx >= :first ORDER BY idx LIMIT :limit;

-- name: entries_after
-- Leaves in the order of appending, with or without an index; enough to check hashes and tree.
SELECT seq, id, bytes, hash, idx FROM entries WHERE seq > :seq ORDER BY seq LIMIT :limit;

-- name: entries_after_deep
-- Leaves in the order of appending with all that repeats what their bytes say, edges as JSON.
SELECT seq, id, project, subject, kind, bytes, hash, idx, (
  SELECT json_group_array(json_array(place, subject, role, ref))
  FROM (
    SELECT place, edges.subject, role, ref FROM edges
    WHERE edges.subject = entries.subject AND edges.seq = entries.seq ORDER BY place
  )
) AS edges
FROM entries WHERE seq > :seq ORDER BY seq LIMIT :limit;

-- name: entry_by_id
-- One leaf.
SELECT seq, id, project, subject, kind, bytes, hash, idx FROM entries WHERE id = :id;

-- name: entries_of_subject
-- The leaves that speak of a subject, oldest first.
SELECT seq, id, kind, bytes, hash, idx FROM entries WHERE subject = :subject ORDER BY seq;

-- name: edges_of_subject
-- What led to a subject, as far as it was recorded up to a place in the log, oldest first.
SELECT seq, role, ref FROM edges WHERE subject = :subject AND seq <= :seq ORDER BY seq, place;

-- name: edges_of_subjects
-- The same for many subjects at once (a JSON list of ids); each one's oldest first, as they are stored.
SELECT edges.subject AS node, edges.seq AS seq, edges.role AS role, edges.ref AS other
FROM json_each(:ids) AS wanted CROSS JOIN edges ON edges.subject = wanted.value AND edges.seq <= :seq;

-- name: edges_to_refs
-- What many refs touched (a JSON list of ids).
SELECT edges.ref AS node, edges.seq AS seq, edges.role AS role, edges.subject AS other
FROM json_each(:ids) AS wanted CROSS JOIN edges ON edges.ref = wanted.value AND edges.seq >= :seq;

-- name: erased_of
-- Those of many subjects (a JSON list of ids) whose key was destroyed.
SELECT subject FROM subject_keys WHERE wrapped IS NULL AND subject IN (SELECT value FROM json_each(:ids));

-- name: id_known
-- Whether the log ever heard of an id: one row, or none.
SELECT 1 AS known FROM edges WHERE subject = :id UNION ALL SELECT 1 FROM edges WHERE ref = :id
UNION ALL SELECT 1 FROM entries WHERE subject = :id LIMIT 1;

-- name: edges_to_ref
-- What a ref touched, from a place in the log on, oldest first.
SELECT seq, role, subject FROM edges WHERE ref = :ref AND seq >= :seq ORDER BY seq, place;

-- name: edges_count
-- How many edges there are.
SELECT count(*) AS count FROM edges;

-- name: edges_orphaned
-- Edges of no leaf; there are none in an honest state.
SELECT seq, place, subject, role, ref FROM edges WHERE NOT EXISTS (
  SELECT 1 FROM entries WHERE entries.seq = edges.seq AND entries.subject = edges.subject
) LIMIT :limit;

-- name: integrity
-- The engine's own check of pages, records and indices: one row that says ok, or what is broken.
PRAGMA integrity_check;

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

-- name: leases_break
-- End every row lease: whoever runs this knows that no holder lives.
UPDATE row_leases SET expires_ms = 0;

-- name: project_add
-- A project, once.
INSERT INTO projects (id, name, created_ms) VALUES (:id, :name, :created_ms);

-- name: projects_all
-- Every project.
SELECT id, name FROM projects ORDER BY id;

-- name: principal_add
-- A person, service or group with its sealed name.
INSERT INTO principals (id, project, kind, name_mac, name_sealed, declared, created_ms)
VALUES (:id, :project, :kind, :name_mac, :name_sealed, :declared, :created_ms);

-- name: principal_declared
-- Whether the declaration (or a key) still names this principal.
UPDATE principals SET declared = :declared WHERE id = :id;

-- name: principals_of_project
-- Everybody, with sealed names.
SELECT id, kind, name_mac, name_sealed, declared FROM principals WHERE project = :project ORDER BY id;

-- name: principal_by_name
-- The principal behind a declared name.
SELECT id, kind, declared FROM principals WHERE project = :project AND name_mac = :name_mac;

-- name: members_clear
-- Forget who is in which group, before writing it anew.
DELETE FROM members WHERE project = :project;

-- name: member_add
-- A principal (or `*`) is in a group.
INSERT INTO members (project, name, principal) VALUES (:project, :name, :principal);

-- name: members_of_project
-- Who is in which group.
SELECT name, principal FROM members WHERE project = :project ORDER BY name, principal;

-- name: reader_set_add
-- A set of groups that may read something.
INSERT INTO reader_sets (id, project, names) VALUES (:id, :project, :names);

-- name: reader_sets_of_project
-- Every set of groups; names are a JSON list, sorted.
SELECT id, names FROM reader_sets WHERE project = :project ORDER BY id;

-- name: api_key_add
-- A key, by its hash.
INSERT INTO api_keys (id, project, principal, name, hash, owner, created_ms, expires_ms)
VALUES (:id, :project, :principal, :name, :hash, :owner, :created_ms, :expires_ms);

-- name: api_keys_of_project
-- Every key, without its secret.
SELECT id, principal, name, hash, owner, created_ms, expires_ms, revoked_ms, last_used_ms FROM api_keys WHERE project = :project ORDER BY id;

-- name: api_key_revoke
-- Put a key out of force.
UPDATE api_keys SET revoked_ms = :now_ms WHERE project = :project AND (id = :key OR name = :key) AND revoked_ms IS NULL;

-- name: api_key_used
-- When a key was last used.
UPDATE api_keys SET last_used_ms = :now_ms WHERE id = :id;

-- name: artifact_add
-- An immutable thing by its digest; again is a no-op.
INSERT INTO artifacts (digest, project, kind, body, created_ms) VALUES (:digest, :project, :kind, :body, :created_ms)
ON CONFLICT (digest) DO NOTHING;

-- name: artifact_get
-- An artifact's body.
SELECT kind, body, created_ms FROM artifacts WHERE digest = :digest;

-- name: name_get
-- What a name points to now.
SELECT digest, generation FROM names WHERE project = :project AND kind = :kind AND name = :name;

-- name: name_create
-- Point a new name at an artifact.
INSERT INTO names (project, kind, name, digest, generation) VALUES (:project, :kind, :name, :digest, 1) ON CONFLICT DO NOTHING;

-- name: name_move
-- Move a name, if nobody moved it meanwhile.
UPDATE names SET digest = :digest, generation = generation + 1
WHERE project = :project AND kind = :kind AND name = :name AND generation = :generation;

-- name: service_add
-- A service's id, once.
INSERT INTO services (id, project, name) VALUES (:id, :project, :name) ON CONFLICT DO NOTHING;

-- name: services_of_project
-- Ids of services.
SELECT id, name FROM services WHERE project = :project ORDER BY name;

-- name: knowledge_add
-- A knowledge base's id, once.
INSERT INTO knowledge (id, project, name, created_ms) VALUES (:id, :project, :name, :created_ms) ON CONFLICT DO NOTHING;

-- name: knowledge_of_project
-- Every knowledge base.
SELECT id, name, embedded_total, generation, embedder FROM knowledge WHERE project = :project ORDER BY name;

-- name: knowledge_get
-- One knowledge base.
SELECT id, name, embedded_total, generation, embedder FROM knowledge WHERE id = :id;

-- name: knowledge_changed
-- Its content changed: a new generation.
UPDATE knowledge SET generation = generation + 1 WHERE id = :id;

-- name: knowledge_embedded
-- Chunks were embedded.
UPDATE knowledge SET embedded_total = embedded_total + :count WHERE id = :id;

-- name: knowledge_embedder
-- The live embedder: searches use its vectors from now on.
UPDATE knowledge SET embedder = :embedder, generation = generation + 1 WHERE id = :id;

-- name: document_add
-- A document.
INSERT INTO documents (id, project, knowledge, source, readers, created_ms)
VALUES (:id, :project, :knowledge, :source, :readers, :created_ms);

-- name: document_get
-- A document.
SELECT id, project, knowledge, source, readers, created_ms FROM documents WHERE id = :id;

-- name: documents_of_knowledge
-- Every document, live or past.
SELECT id, source, readers FROM documents WHERE knowledge = :knowledge ORDER BY id;

-- name: document_readers
-- Who may read a document from now on.
UPDATE documents SET readers = :readers WHERE id = :id;

-- name: version_add
-- From now on the document holds this content, at this path.
INSERT INTO versions (document, knowledge, content, path_mac, path_sealed, valid_from_ms)
VALUES (:document, :knowledge, :content, :path_mac, :path_sealed, :valid_from_ms);

-- name: version_end
-- What the document held until now.
UPDATE versions SET valid_to_ms = :valid_to_ms WHERE document = :document AND valid_to_ms IS NULL;

-- name: versions_of_knowledge
-- Every version, in order.
SELECT v.seq, v.document, v.content, v.path_mac, v.path_sealed, v.valid_from_ms, v.valid_to_ms, d.readers, d.source
FROM versions v JOIN documents d ON d.id = v.document WHERE v.knowledge = :knowledge ORDER BY v.seq;

-- name: versions_live
-- What every document of a knowledge base holds now.
SELECT v.seq, v.document, v.content, v.path_mac, v.path_sealed, v.valid_from_ms, v.valid_to_ms, d.readers, d.source
FROM versions v JOIN documents d ON d.id = v.document WHERE v.knowledge = :knowledge AND v.valid_to_ms IS NULL ORDER BY v.seq;

-- name: versions_of_document
-- What a document held, oldest first.
SELECT v.seq, v.document, v.content, v.path_mac, v.path_sealed, v.valid_from_ms, v.valid_to_ms, d.readers, d.source
FROM versions v JOIN documents d ON d.id = v.document WHERE v.document = :document ORDER BY v.seq;

-- name: content_add
-- The text of one or several equal files.
INSERT INTO contents (id, project, knowledge, mac, raw, text, encoding, title, chars, chunks, body)
VALUES (:id, :project, :knowledge, :mac, :raw, :text, :encoding, :title, :chars, :chunks, :body);

-- name: content_by_mac
-- A content that is here already.
SELECT id, chars, chunks FROM contents WHERE knowledge = :knowledge AND mac = :mac;

-- name: content_get
-- A content.
SELECT id, knowledge, mac, raw, text, encoding, title, chars, chunks, body FROM contents WHERE id = :id;

-- name: contents_after
-- Contents in order, after one; for building an index.
SELECT seq, id, raw, text, encoding, title, chars, chunks, body FROM contents WHERE knowledge = :knowledge AND seq > :seq ORDER BY seq LIMIT :limit;

-- name: contents_without_vectors
-- Contents whose chunks are not all embedded by this embedder, oldest first.
SELECT c.seq, c.id, c.chunks, coalesce((SELECT sum(v.count) FROM vectors v WHERE v.content = c.id AND v.embedder = :embedder), 0) AS embedded
FROM contents c
WHERE c.knowledge = :knowledge
  AND c.chunks > coalesce((SELECT sum(v.count) FROM vectors v WHERE v.content = c.id AND v.embedder = :embedder), 0)
  AND EXISTS (SELECT 1 FROM versions n WHERE n.content = c.id)
ORDER BY c.seq LIMIT :limit;

-- name: vectors_add
-- The vectors of a slice of a content's chunks, sealed.
INSERT INTO vectors (content, embedder, first, count, rows) VALUES (:content, :embedder, :first, :count, :rows) ON CONFLICT DO NOTHING;

-- name: vectors_of_content
-- A content's vectors.
SELECT first, count, rows FROM vectors WHERE content = :content AND embedder = :embedder ORDER BY first;

-- name: vectors_count
-- How many live chunks there are, and how many of them are embedded.
SELECT coalesce(sum(c.chunks), 0) AS chunks,
  coalesce(sum((SELECT sum(v.count) FROM vectors v WHERE v.content = c.id AND v.embedder = :embedder)), 0) AS embedded
FROM contents c WHERE c.knowledge = :knowledge AND EXISTS (SELECT 1 FROM versions n WHERE n.content = c.id AND n.valid_to_ms IS NULL);

-- name: vectors_drop_other
-- Some vectors of embedders other than these two.
DELETE FROM vectors WHERE (content, embedder, first) IN (
  SELECT v.content, v.embedder, v.first FROM contents c JOIN vectors v ON v.content = c.id
  WHERE c.knowledge = :knowledge AND v.embedder NOT IN (:one, :other) LIMIT :limit
);

-- name: files_of_knowledge
-- What was seen of each source file when it was last read.
SELECT path_mac, path_sealed, source, size, mtime_ns, inode, code, reason, document, parser FROM files WHERE knowledge = :knowledge;

-- name: file_put
-- What was seen of a source file when it was read.
INSERT INTO files (knowledge, path_mac, path_sealed, source, size, mtime_ns, inode, code, reason, document, parser)
VALUES (:knowledge, :path_mac, :path_sealed, :source, :size, :mtime_ns, :inode, :code, :reason, :document, :parser)
ON CONFLICT (knowledge, path_mac) DO UPDATE SET
  path_sealed = excluded.path_sealed, source = excluded.source, size = excluded.size, mtime_ns = excluded.mtime_ns, inode = excluded.inode,
  code = excluded.code, reason = excluded.reason, document = excluded.document, parser = excluded.parser;

-- name: file_drop
-- The source file is no longer there.
DELETE FROM files WHERE knowledge = :knowledge AND path_mac = :path_mac;

-- name: run_add
-- A run begins.
INSERT INTO runs (id, project, kind, subject, state, why, created_ms, total) VALUES (:id, :project, :kind, :subject, :state, :why, :created_ms, :total);

-- name: run_progress
-- How far a run is.
UPDATE runs SET done = :done, total = :total, counts = :counts WHERE id = :id AND state = 'running';

-- name: run_finish
-- A run ends.
UPDATE runs SET state = :state, finished_ms = :finished_ms, counts = :counts, done = :done, total = :total, error = :error
WHERE id = :id AND state = 'running';

-- name: runs_before
-- Runs, newest first.
SELECT id, project, kind, subject, state, why, created_ms, finished_ms, done, total, counts, error FROM runs
WHERE (:before = '' OR id < :before) ORDER BY id DESC LIMIT :limit;

-- name: run_get
-- One run.
SELECT id, project, kind, subject, state, why, created_ms, finished_ms, done, total, counts, error, parent FROM runs WHERE id = :id;

-- name: runs_running
-- Runs that have not ended.
SELECT id, subject FROM runs WHERE state = 'running' ORDER BY id;

-- name: epoch_add
-- The exact state under which answers are given.
INSERT INTO epochs (id, project, digest, body, opened_ms) VALUES (:id, :project, :digest, :body, :opened_ms) ON CONFLICT DO NOTHING;

-- name: epoch_by_digest
-- The epoch of that state, if it was opened.
SELECT id, body, opened_ms FROM epochs WHERE project = :project AND digest = :digest;

-- name: epoch_get
-- One epoch.
SELECT id, digest, body, opened_ms FROM epochs WHERE id = :id;

-- name: answer_add
-- An answer: numbers and ids in the open, question and text sealed.
INSERT INTO answers (id, project, service, asker, at_ms, status, epoch, decision, given, sealed, ms)
VALUES (:id, :project, :service, :asker, :at_ms, :status, :epoch, :decision, :given, :sealed, :ms);

-- name: answer_get
-- One answer.
SELECT id, service, asker, at_ms, status, epoch, decision, given, sealed, ms FROM answers WHERE id = :id;

-- name: answers_before
-- Answers, newest first; of one asker, or of all when asker is "".
SELECT id, service, asker, at_ms, status, epoch, decision, given, sealed, ms FROM answers
WHERE (:before = '' OR id < :before) AND (:asker = '' OR asker = :asker) ORDER BY id DESC LIMIT :limit;

-- name: feedback_add
-- What a reader said of an answer.
INSERT INTO feedback (id, project, answer, principal, verdict, sealed, at_ms) VALUES (:id, :project, :answer, :principal, :verdict, :sealed, :at_ms);

-- name: feedback_of_answer
-- What readers said of an answer, newest first.
SELECT id, principal, verdict, sealed, at_ms FROM feedback WHERE answer = :answer ORDER BY id DESC;

-- name: knowledge_mark
-- Numbers that change whenever anything that an index is made of changes.
SELECT (SELECT coalesce(max(seq), 0) FROM contents WHERE knowledge = :knowledge) AS contents,
  (SELECT coalesce(max(seq), 0) FROM versions WHERE knowledge = :knowledge) AS versions,
  (SELECT count(*) FROM versions WHERE knowledge = :knowledge AND valid_to_ms IS NULL) AS live,
  (SELECT coalesce(sum(valid_to_ms), 0) FROM versions WHERE knowledge = :knowledge) AS ends,
  (SELECT embedded_total FROM knowledge WHERE id = :knowledge) AS embedded,
  (SELECT generation FROM knowledge WHERE id = :knowledge) AS generation;

-- name: runs_of_subject
-- The newest runs on something.
SELECT id, state, counts, done, total, created_ms, finished_ms, error FROM runs WHERE subject = :subject ORDER BY id DESC LIMIT :limit;

-- name: contents_sizes
-- How many chunks each content has.
SELECT id, chunks, chars FROM contents WHERE knowledge = :knowledge;

-- name: device_add
-- A device that was not known yet.
INSERT INTO devices (id, project, uuid, node, place, model, memory_mib, isolation, health, profile, seen_ms)
VALUES (:id, :project, :uuid, :node, :place, :model, :memory_mib, :isolation, :health, :profile, :seen_ms);

-- name: device_seen
-- How a known device is now.
UPDATE devices SET node = :node, place = :place, model = :model, memory_mib = :memory_mib, isolation = :isolation, health = :health,
  generation = generation + 1, seen_ms = :seen_ms
WHERE id = :id;

-- name: device_cordon
-- Close a device to new work by hand, or open it again.
UPDATE devices SET cordoned = :cordoned, generation = generation + 1 WHERE id = :id AND cordoned <> :cordoned;

-- name: device_take
-- Take a share of a device, if so much of it is free and it is open to new work; 1 if it was.
UPDATE devices SET used_milli = used_milli + :milli, used_mib = used_mib + :mib
WHERE id = :id AND cordoned = 0 AND health = 'healthy' AND used_milli + :milli <= 1000
  AND (memory_mib = 0 OR used_mib + :mib <= memory_mib);

-- name: device_give
-- Give a share of a device back.
UPDATE devices SET used_milli = used_milli - :milli, used_mib = used_mib - :mib WHERE id = :id;

-- name: devices_of_project
-- Every device, by machine and place.
SELECT id, uuid, uuid AS name, node, place, model, memory_mib, isolation, health, profile, cordoned, generation, seen_ms,
  used_milli, used_mib
FROM devices WHERE project = :project ORDER BY node, place, uuid;

-- name: queue_put
-- A queue with what it is promised; its id stays.
INSERT INTO queues (id, project, name, guaranteed_milli, limit_milli) VALUES (:id, :project, :name, :guaranteed_milli, :limit_milli)
ON CONFLICT (project, name) DO UPDATE SET guaranteed_milli = excluded.guaranteed_milli, limit_milli = excluded.limit_milli
WHERE guaranteed_milli <> excluded.guaranteed_milli OR limit_milli IS NOT excluded.limit_milli;

-- name: queues_of_project
-- Every queue that ever was declared.
SELECT id, name, guaranteed_milli, limit_milli FROM queues WHERE project = :project ORDER BY name;

-- name: lease_add
-- Somebody asks for a share.
INSERT INTO leases (id, project, run, principal, queue, state, claim, priority, gang, gang_size, movable, attached, asked_ms, grace_ms)
VALUES (:id, :project, :run, :principal, :queue, 'pending', :claim, :priority, :gang, :gang_size, :movable, :attached, :asked_ms, :grace_ms);

-- name: lease_get_one
-- A lease on devices.
SELECT * FROM leases WHERE id = :id;

-- name: leases_ending_in
-- Leases whose id, or whose run's id, ends so: what `colonnade gpu` shows of it.
SELECT id, run FROM leases WHERE project = :project
  AND (substr(id, -length(:suffix)) = :suffix OR substr(run, -length(:suffix)) = :suffix) LIMIT 2;

-- name: leases_open
-- Leases that have not ended, oldest first.
SELECT * FROM leases WHERE project = :project AND state <> 'ended' ORDER BY id;

-- name: leases_of_run
-- The leases of a run, oldest first: more than one if it gave way and asked again.
SELECT * FROM leases WHERE run = :run ORDER BY id;

-- name: leases_ended_since
-- Leases that held something after an instant, for usage and cost.
SELECT * FROM leases WHERE project = :project AND state = 'ended' AND ended_ms >= :since_ms AND granted_ms IS NOT NULL ORDER BY id;

-- name: lease_grant
-- A pending lease holds these devices from now on.
UPDATE leases SET state = 'held', granted_ms = :granted_ms, node = :node, devices = :devices, isolation = :isolation, borrowed = :borrowed,
  token = token + 1, busy_ms = :granted_ms, sampled_ms = :granted_ms
WHERE id = :id AND state = 'pending';

-- name: lease_started
-- Its command was handed to the executor, at this level of isolation.
UPDATE leases SET started = 1, isolation = :isolation, note = :note
WHERE id = :id AND state IN ('held', 'releasing') AND started = 0;

-- name: lease_confirm
-- Its command runs, as this process.
UPDATE leases SET pid = :pid, isolation = :isolation WHERE id = :id AND state IN ('held', 'releasing');

-- name: lease_busy
-- When it was last seen busy, when it was last looked at, and how much memory it held then.
UPDATE leases SET busy_ms = :busy_ms, sampled_ms = :sampled_ms, busy_mib = :busy_mib WHERE id = :id AND state = 'held';

-- name: lease_unhold
-- A held lease is being taken back.
UPDATE leases SET state = 'releasing', releasing_ms = :releasing_ms, reason = :reason, gives_way_to = :gives_way_to, grace_ms = :grace_ms
WHERE id = :id AND state = 'held';

-- name: lease_withdraw
-- A lease that gives way will not ask again: somebody ended it meanwhile.
UPDATE leases SET reason = :reason WHERE id = :id AND state = 'releasing' AND reason IN ('evacuate', 'preempt', 'reclaim');

-- name: leases_of_gang
-- Those of a gang that have not ended, oldest first.
SELECT * FROM leases WHERE project = :project AND state <> 'ended' AND gang = :gang ORDER BY id;

-- name: gang_shrinks
-- One of a gang is done: the others are whole without it.
UPDATE leases SET gang_size = gang_size - 1 WHERE project = :project AND state <> 'ended' AND gang = :gang;

-- name: lease_end
-- A lease is over.
UPDATE leases SET state = 'ended', ended_ms = :ended_ms, outcome = :outcome, code = :code, note = :note
WHERE id = :id AND state <> 'ended';

-- name: run_state
-- A run goes on: from pending to running, or back when it gave way.
UPDATE runs SET state = :state WHERE id = :id AND state <> :state AND finished_ms IS NULL;

-- name: run_end
-- A run ends, from whatever it was doing.
UPDATE runs SET state = :state, finished_ms = :finished_ms, error = :error, done = :done WHERE id = :id AND finished_ms IS NULL;

-- name: run_work_add
-- What a run executes, sealed.
INSERT INTO run_works (run, project, command, environment) VALUES (:run, :project, :command, :environment);

-- name: run_work_get
-- What a run executes, sealed.
SELECT run, command, environment FROM run_works WHERE run = :run;

-- name: run_work_forget
-- Its environment is needed no more.
UPDATE run_works SET environment = NULL WHERE run = :run;

-- name: model_add
-- A model's id, once.
INSERT INTO models (id, project, name) VALUES (:id, :project, :name) ON CONFLICT DO NOTHING;

-- name: models_of_project
-- Ids of models.
SELECT id, name FROM models WHERE project = :project ORDER BY name;

-- name: run_parent
-- The run that a run is a part of.
UPDATE runs SET parent = :parent WHERE id = :id;

-- name: artifact_file_add
-- Bytes of an artifact, once for each content.
INSERT INTO artifact_files (project, content, blob, size) VALUES (:project, :content, :blob, :size) ON CONFLICT DO NOTHING;

-- name: artifact_file_get
-- Where the bytes of a content lie.
SELECT blob, size FROM artifact_files WHERE project = :project AND content = :content;

-- name: step_add
-- What a step gave for this key; the first one stands.
INSERT INTO steps (project, key, artifact, subject, run, finished_ms) VALUES (:project, :key, :artifact, :subject, :run, :finished_ms)
ON CONFLICT DO NOTHING;

-- name: step_get
-- What a step gave for this key.
SELECT artifact, subject, run, finished_ms FROM steps WHERE project = :project AND key = :key;

-- name: pipeline_add
-- A pipeline begins; `wanted` is a digest of what it was asked to be made of.
INSERT INTO pipelines (run, project, model, cause, wanted, state, created_ms) VALUES (:run, :project, :model, :cause, :wanted, 'running', :created_ms);

-- name: pipeline_end
-- A pipeline ends, once.
UPDATE pipelines SET state = 'ended', outcome = :outcome, version = :version, reason = :reason, metrics = :metrics, decision = :decision,
  finished_ms = :finished_ms
WHERE run = :run AND state = 'running';

-- name: pipelines_of_model
-- A model's pipelines, newest first.
SELECT * FROM pipelines WHERE model = :model ORDER BY run DESC LIMIT :limit;

-- name: pipeline_get
-- One pipeline.
SELECT * FROM pipelines WHERE run = :run;

-- name: pipeline_step_add
-- A step of a pipeline, to be done.
INSERT INTO pipeline_steps (pipeline, step, place, state) VALUES (:pipeline, :step, :place, 'waiting');

-- name: pipeline_step_set
-- How a step of a pipeline is now.
UPDATE pipeline_steps SET state = :state, key = :key, run = :run, lease = :lease, artifact = :artifact, subject = :subject,
  attempts = :attempts, not_before_ms = :not_before_ms, error = :error, told = :told, started_ms = :started_ms, finished_ms = :finished_ms
WHERE pipeline = :pipeline AND step = :step AND state NOT IN ('done', 'cached', 'failed');

-- name: pipeline_steps
-- The steps of a pipeline, in order.
SELECT * FROM pipeline_steps WHERE pipeline = :pipeline ORDER BY place;

-- name: pipeline_step_put
-- A step of a pipeline as it is now, whether it stood there before or not; one that is over stays so.
INSERT INTO pipeline_steps (pipeline, step, place, state, key, run, lease, artifact, subject, attempts, not_before_ms, error, told, started_ms, finished_ms)
VALUES (:pipeline, :step, :place, :state, :key, :run, :lease, :artifact, :subject, :attempts, :not_before_ms, :error, :told, :started_ms, :finished_ms)
ON CONFLICT (pipeline, step) DO UPDATE SET state = :state, key = :key, run = :run, lease = :lease, artifact = :artifact, subject = :subject,
  attempts = :attempts, not_before_ms = :not_before_ms, error = :error, told = :told, started_ms = :started_ms, finished_ms = :finished_ms
WHERE state NOT IN ('done', 'cached', 'failed');

-- name: run_add_over
-- A run that was over as soon as it began: a small step of ours.
INSERT INTO runs (id, project, kind, subject, state, why, created_ms, finished_ms, done, total, parent)
VALUES (:id, :project, :kind, :subject, 'done', :why, :created_ms, :finished_ms, 1, 1, :parent);

-- name: flow_add
-- A pipeline's id, once.
INSERT INTO flows (id, project, name) VALUES (:id, :project, :name) ON CONFLICT DO NOTHING;

-- name: flows_of_project
-- Ids of pipelines.
SELECT id, name FROM flows WHERE project = :project ORDER BY name;

-- name: replica_add
-- A process that is to serve a version.
INSERT INTO replicas (lease, run, project, service, model, version, code, place, state, created_ms)
VALUES (:lease, :run, :project, :service, :model, :version, :code, :place, 'starting', :created_ms);

-- name: replica_set
-- How a replica is now; one that has ended stays so.
UPDATE replicas SET state = :state, told = :told, ready_ms = :ready_ms, idle_ms = :idle_ms WHERE lease = :lease AND state <> 'ended';

-- name: replicas_open
-- A service's replicas that have not ended, oldest first.
SELECT * FROM replicas WHERE service = :service AND state <> 'ended' ORDER BY created_ms, lease;

-- name: replicas_of_project
-- Every replica that has not ended.
SELECT * FROM replicas WHERE project = :project AND state <> 'ended' ORDER BY created_ms, lease;

-- name: rollback_add
-- A model's live version was moved back.
INSERT INTO rollbacks (project, model, generation, was, version, decision, at_ms)
VALUES (:project, :model, :generation, :was, :version, :decision, :at_ms);

-- name: rollbacks_of_model
-- Oldest first.
SELECT generation, was, version, decision, at_ms FROM rollbacks WHERE model = :model ORDER BY generation;

-- name: name_drop
-- A name points to nothing any more, if nobody moved it meanwhile.
DELETE FROM names WHERE project = :project AND kind = :kind AND name = :name AND generation = :generation;

-- name: experiment_add
-- A group of runs; a name that is taken adds nothing.
INSERT INTO experiments (project, number, name_mac, stage, made_ms, changed_ms, sealed)
VALUES (:project, :number, :name_mac, 'active', :now_ms, :now_ms, :sealed) ON CONFLICT DO NOTHING;

-- name: experiment_put
-- Another name, stage or content.
UPDATE experiments SET name_mac = :name_mac, stage = :stage, changed_ms = :now_ms, sealed = :sealed WHERE project = :project AND number = :number;

-- name: experiment_get
-- One group of runs.
SELECT number, name_mac, stage, made_ms, changed_ms, sealed FROM experiments WHERE project = :project AND number = :number;

-- name: experiment_by_name
-- The group of that name.
SELECT number, name_mac, stage, made_ms, changed_ms, sealed FROM experiments WHERE project = :project AND name_mac = :name_mac;

-- name: experiments_of_project
-- Every group, by number.
SELECT number, name_mac, stage, made_ms, changed_ms, sealed FROM experiments WHERE project = :project ORDER BY number;

-- name: experiments_count
-- How many runs each group has that were not deleted.
SELECT experiment, count(*) AS runs, sum(CASE WHEN state = 'running' THEN 1 ELSE 0 END) AS running FROM tracked
WHERE project = :project AND kind = 'run' AND stage = 'active' GROUP BY experiment;

-- name: tracked_add
-- A run or model begins to be told of.
INSERT INTO tracked (id, project, kind, experiment, state, stage, began_ms, ended_ms, made_ms, changed_ms, sealed)
VALUES (:id, :project, :kind, :experiment, :state, 'active', :began_ms, NULL, :now_ms, :now_ms, :sealed);

-- name: tracked_put
-- What is told of it now.
UPDATE tracked SET state = :state, stage = :stage, began_ms = :began_ms, ended_ms = :ended_ms, changed_ms = :now_ms, revision = revision + 1,
  sealed = :sealed
WHERE number = :number AND revision = :revision;

-- name: tracked_get
-- One run or model.
SELECT * FROM tracked WHERE project = :project AND id = :id;

-- name: tracked_of_experiment
-- Runs or models of a group.
SELECT * FROM tracked WHERE project = :project AND experiment = :experiment AND kind = :kind ORDER BY number;

-- name: tracked_newest
-- The newest runs that were not deleted.
SELECT * FROM tracked WHERE project = :project AND kind = 'run' AND stage = 'active' ORDER BY number DESC LIMIT :limit;

-- name: tracked_stage
-- Delete or restore all runs of a group.
UPDATE tracked SET stage = :stage, revision = revision + 1, changed_ms = :now_ms WHERE project = :project AND experiment = :experiment AND kind = 'run';

-- name: tracked_point_add
-- A measurement, once.
INSERT INTO tracked_points (owner, step, series, at_ms, value, nan) VALUES (:owner, :step, :series, :at_ms, :value, :nan) ON CONFLICT DO NOTHING;

-- name: tracked_latest_put
-- The newest measurement of a series: by step, then time, then value.
INSERT INTO tracked_latest (owner, series, step, at_ms, value, nan) VALUES (:owner, :series, :step, :at_ms, :value, :nan)
ON CONFLICT (owner, series) DO UPDATE SET step = excluded.step, at_ms = excluded.at_ms, value = excluded.value, nan = excluded.nan
WHERE (excluded.step, excluded.at_ms, excluded.value) > (tracked_latest.step, tracked_latest.at_ms, tracked_latest.value);

-- name: tracked_points_of
-- A series, in the order of its times.
SELECT step, at_ms, value, nan FROM tracked_points WHERE owner = :owner AND series = :series ORDER BY at_ms, step, value LIMIT :limit OFFSET :offset;

-- name: tracked_latest_of
-- The newest measurement of each series.
SELECT series, step, at_ms, value, nan FROM tracked_latest WHERE owner = :owner ORDER BY series;

-- name: tracked_latest_of_experiment
-- The same for a whole group.
SELECT l.owner, l.series, l.step, l.at_ms, l.value, l.nan FROM tracked t JOIN tracked_latest l ON l.owner = t.number
WHERE t.project = :project AND t.experiment = :experiment AND t.kind = :kind ORDER BY l.owner, l.series;

-- name: tracked_input_add
-- A data set that a run read.
INSERT INTO tracked_inputs (owner, place, sealed) VALUES (:owner, :place, :sealed);

-- name: tracked_inputs_of
-- Data sets that a run read, in the order in which it said so.
SELECT place, sealed FROM tracked_inputs WHERE owner = :owner ORDER BY place;

-- name: tracked_inputs_of_experiment
-- The same for a whole group.
SELECT i.owner, i.place, i.sealed FROM tracked t JOIN tracked_inputs i ON i.owner = t.number
WHERE t.project = :project AND t.experiment = :experiment AND t.kind = 'run' ORDER BY i.owner, i.place;

-- name: tracked_file_put
-- A file of a run or model; again replaces it.
INSERT INTO tracked_files (owner, path_mac, path, content, size) VALUES (:owner, :path_mac, :path, :content, :size)
ON CONFLICT (owner, path_mac) DO UPDATE SET path = excluded.path, content = excluded.content, size = excluded.size;

-- name: tracked_file_get
-- One file.
SELECT path, content, size FROM tracked_files WHERE owner = :owner AND path_mac = :path_mac;

-- name: tracked_files_of
-- All files of a run or model.
SELECT path_mac, path, content, size FROM tracked_files WHERE owner = :owner;

-- name: tracked_file_drop
-- A file is gone; its bytes stay as long as an artifact may name them.
DELETE FROM tracked_files WHERE owner = :owner AND path_mac = :path_mac;

-- name: run_told
-- A run as somebody else's program tells of it: it may go on after it was over.
UPDATE runs SET state = :state, finished_ms = :finished_ms, parent = :parent WHERE id = :id AND kind = 'tracked';

-- name: model_rename
-- A model's name.
UPDATE models SET name = :name WHERE id = :id;

-- name: registered_add
-- A model is registered; again adds nothing.
INSERT INTO registered (model, project, made_ms, changed_ms, sealed) VALUES (:model, :project, :now_ms, :now_ms, :sealed) ON CONFLICT DO NOTHING;

-- name: registered_put
-- What is said of a registered model.
UPDATE registered SET changed_ms = :now_ms, sealed = :sealed WHERE model = :model;

-- name: registered_drop
-- A model is registered no more.
DELETE FROM registered WHERE model = :model;

-- name: registered_of_project
-- Registered models with their names.
SELECT r.model, m.name, r.made_ms, r.changed_ms, r.sealed FROM registered r JOIN models m ON m.id = r.model WHERE r.project = :project ORDER BY m.name;

-- name: registered_by_name
-- A registered model.
SELECT r.model, m.name, r.made_ms, r.changed_ms, r.sealed FROM registered r JOIN models m ON m.id = r.model WHERE r.project = :project AND m.name = :name;

-- name: model_by_name
-- A model's id.
SELECT id FROM models WHERE project = :project AND name = :name;

-- name: model_version_add
-- A version of a registered model.
INSERT INTO model_versions (model, version, project, digest, run, made_ms, changed_ms, sealed)
VALUES (:model, :version, :project, :digest, :run, :now_ms, :now_ms, :sealed);

-- name: model_version_put
-- What is said of a version, or that it is gone.
UPDATE model_versions SET changed_ms = :now_ms, gone = :gone, sealed = :sealed WHERE model = :model AND version = :version;

-- name: model_version_last
-- The highest number ever given.
SELECT coalesce(max(version), 0) AS version FROM model_versions WHERE model = :model;

-- name: model_version_get
-- A version that is there.
SELECT * FROM model_versions WHERE model = :model AND version = :version AND gone = 0;

-- name: model_versions_of
-- A model's versions that are there, oldest first.
SELECT * FROM model_versions WHERE model = :model AND gone = 0 ORDER BY version;

-- name: model_versions_of_project
-- Every version that is there.
SELECT v.*, m.name FROM model_versions v JOIN models m ON m.id = v.model WHERE v.project = :project AND v.gone = 0 ORDER BY m.name, v.version;

-- name: model_versions_drop
-- The versions of a model that is registered no more.
UPDATE model_versions SET gone = 1, changed_ms = :now_ms WHERE model = :model;

-- name: alias_add
-- An alias's id, once.
INSERT INTO aliases (id, project, model, alias, version) VALUES (:id, :project, :model, :alias, NULL) ON CONFLICT DO NOTHING;

-- name: alias_put
-- The version that an alias points to, or none.
UPDATE aliases SET version = :version WHERE id = :id;

-- name: alias_get
-- An alias of a model.
SELECT id, alias, version FROM aliases WHERE model = :model AND alias = :alias;

-- name: aliases_of
-- The aliases of a model that point to something.
SELECT id, alias, version FROM aliases WHERE model = :model AND version IS NOT NULL ORDER BY alias;

-- name: aliases_of_project
-- Every alias that ever was, with its model's name.
SELECT a.id, m.name || '@' || a.alias AS name FROM aliases a JOIN models m ON m.id = a.model WHERE a.project = :project;

-- name: pipeline_judged
-- A pipeline's version passed its gates and is being rolled out: what is known of it so far.
UPDATE pipelines SET version = :version, reason = :reason, metrics = :metrics, decision = :decision WHERE run = :run AND state = 'running';

-- name: captures_newest
-- The last pieces of a service, newest first.
SELECT id, count FROM captures WHERE service = :service ORDER BY first_ms DESC LIMIT :limit;

-- name: rollout_add
-- A version is to be tried on real requests.
INSERT INTO rollouts (id, project, model, pipeline, decision, champion, challenger, state, config, canary, began_ms, stage_ms)
VALUES (:id, :project, :model, :pipeline, :decision, :champion, :challenger, 'shadow', :config, :canary, :began_ms, :began_ms);

-- name: rollout_open
-- The rollout of a model that has not ended; there is at most one.
SELECT * FROM rollouts WHERE model = :model AND state <> 'ended' ORDER BY id;

-- name: rollout_trial
-- The same, as far as it says who answers.
SELECT id, champion, challenger, state, share_millionths FROM rollouts WHERE model = :model AND state <> 'ended' ORDER BY id;

-- name: rollout_get
-- One rollout.
SELECT * FROM rollouts WHERE id = :id;

-- name: rollouts_of_model
-- A model's rollouts, newest first.
SELECT * FROM rollouts WHERE model = :model ORDER BY id DESC LIMIT :limit;

-- name: rollout_move
-- A rollout goes on to another state or stage, if it is where it was thought to be.
UPDATE rollouts SET state = :state, stage = :stage, share_millionths = :share_millionths, canary = :canary, requests = :requests, exposed = :exposed,
  outcome = :outcome, reason = :reason, approver = :approver, verdict = :verdict, stage_ms = :stage_ms, ended_ms = :ended_ms
WHERE id = :id AND state = :was AND stage = :stage_was AND verdict = :verdict_was;

-- name: rollout_save
-- The evidence so far, while the rollout is where it was.
UPDATE rollouts SET canary = :canary, requests = :requests, exposed = :exposed WHERE id = :id AND state = :state AND stage = :stage;

-- name: capture_add
-- Requests and answers of a moment.
INSERT INTO captures (id, project, service, first_ms, last_ms, count, sealed) VALUES (:id, :project, :service, :first_ms, :last_ms, :count, :sealed);

-- name: captures_between
-- Pieces that may hold requests of these times, oldest first.
SELECT id, first_ms, last_ms, count FROM captures WHERE service = :service AND last_ms >= :from_ms AND first_ms <= :to_ms ORDER BY first_ms, id;

-- name: capture_get
-- One piece.
SELECT id, service, first_ms, last_ms, count, sealed FROM captures WHERE id = :id;

-- name: captures_size
-- How many pieces, requests and bytes a service keeps.
SELECT count(*) AS pieces, coalesce(sum(count), 0) AS requests, coalesce(sum(length(sealed)), 0) AS bytes FROM captures WHERE service = :service;

-- name: captures_forget
-- The oldest pieces that are past their time.
DELETE FROM captures WHERE id IN (SELECT id FROM captures WHERE service = :service AND last_ms < :before_ms ORDER BY first_ms LIMIT :limit);

-- name: captures_forget_oldest
-- The oldest pieces: there is no room for them.
DELETE FROM captures WHERE id IN (SELECT id FROM captures WHERE service = :service ORDER BY first_ms LIMIT :limit);

-- name: truth_put
-- What a predicted row turned out to be; later truth replaces it (the sealed piece holds both).
INSERT INTO truths (project, service, request, place, at_ms, sealed) VALUES (:project, :service, :request, :place, :at_ms, :sealed)
ON CONFLICT (service, request, place) DO UPDATE SET sealed = excluded.sealed;

-- name: truths_between
-- Truths about requests of these refs, in the order of the requests.
SELECT request, place, at_ms, sealed FROM truths WHERE service = :service AND request >= :first AND request <= :last ORDER BY request, place;

-- name: truths_count
-- How many rows from a request on have a truth.
SELECT count(*) AS count FROM truths WHERE service = :service AND request >= :first;

-- name: truth_back
-- The request of the row with a truth that so many others follow.
SELECT request FROM truths WHERE service = :service ORDER BY request DESC, place DESC LIMIT 1 OFFSET :back;

-- name: truths_newest
-- The last rows with a truth, newest first.
SELECT request, place, at_ms, sealed FROM truths WHERE service = :service ORDER BY request DESC, place DESC LIMIT :limit;

-- name: truths_forget
-- Truths about requests that are kept no longer.
DELETE FROM truths WHERE service = :service AND request < :before;

-- name: alarm_add
-- A detector rang.
INSERT INTO alarms (id, project, model, service, measure, told, at_ms) VALUES (:id, :project, :model, :service, :measure, :told, :at_ms);

-- name: alarm_end
-- It is over, once.
UPDATE alarms SET ended_ms = :ended_ms WHERE id = :id AND ended_ms IS NULL;

-- name: alarm_run
-- The last pipeline that an alarm began.
UPDATE alarms SET run = :run WHERE id = :id;

-- name: alarm_get
-- One alarm.
SELECT * FROM alarms WHERE id = :id;

-- name: alarms_open
-- Alarms of now, oldest first.
SELECT * FROM alarms WHERE project = :project AND ended_ms IS NULL ORDER BY id;

-- name: alarms_of_model
-- A model's alarms, newest first.
SELECT * FROM alarms WHERE model = :model ORDER BY id DESC LIMIT :limit;

-- name: model_leases
-- What a model's pipelines held on devices since an instant; `ended_ms` NULL: still.
SELECT l.claim, l.granted_ms, l.ended_ms FROM pipelines p JOIN runs r ON r.parent = p.run JOIN leases l ON l.run = r.id
WHERE p.model = :model AND l.granted_ms IS NOT NULL AND (l.ended_ms IS NULL OR l.ended_ms >= :since_ms);

-- name: pipelines_since
-- A model's pipelines that began since an instant, newest first.
SELECT run, state, wanted, created_ms, finished_ms FROM pipelines WHERE model = :model AND created_ms >= :since_ms ORDER BY run DESC;

-- name: entries_end
-- The place of the newest leaf in the order of appending; 0 for an empty log.
SELECT coalesce(max(seq), 0) AS seq FROM entries;

-- name: entries_of_models_after
-- What happened to models, pipelines and what is served since a place, oldest first.
SELECT seq, id, kind, bytes FROM entries
WHERE seq > :seq AND kind IN ('model.promoted', 'rollout.moved', 'run.finished', 'alarm.raised') ORDER BY seq LIMIT :limit;

-- name: notice_add
-- A receiver is to be told, once.
INSERT INTO notices (receiver, id, project, event, body, at_ms, next_ms) VALUES (:receiver, :id, :project, :event, :body, :at_ms, :at_ms)
ON CONFLICT DO NOTHING;

-- name: notices_due
-- What a receiver is to be told by now.
SELECT id, event, body, at_ms, attempts FROM notices WHERE receiver = :receiver AND state = 'waiting' AND next_ms <= :now_ms
ORDER BY next_ms, id LIMIT :limit;

-- name: notices_next
-- When a receiver is to be told next; NULL for nothing to tell.
SELECT min(next_ms) AS next_ms FROM notices WHERE receiver = :receiver AND state = 'waiting';

-- name: notice_tried
-- What came of a try.
UPDATE notices SET state = :state, attempts = attempts + 1, next_ms = :next_ms, ended_ms = :ended_ms, error = :error
WHERE receiver = :receiver AND id = :id AND state = 'waiting';

-- name: notices_of_project
-- How many notices of each state each receiver has, and since when the oldest stands there.
SELECT receiver, state, count(*) AS count, min(at_ms) AS since_ms, max(error) AS error FROM notices WHERE project = :project GROUP BY receiver, state;

-- name: notices_drop
-- A receiver that is declared no longer is told nothing more.
DELETE FROM notices WHERE receiver = :receiver AND state = 'waiting';

-- name: notices_forget
-- What was told long ago.
DELETE FROM notices WHERE state <> 'waiting' AND ended_ms < :before_ms;

-- name: trace_add
-- Traces of a moment, in one piece.
INSERT INTO traces (id, project, holder, first_ms, last_ms, count, failed, sealed)
VALUES (:id, :project, :holder, :first_ms, :last_ms, :count, :failed, :sealed);

-- name: trace_place_add
-- A trace whose id does not say when it began lies in this piece.
INSERT OR IGNORE INTO trace_places (trace, piece) VALUES (:trace, :piece);

-- name: trace_pieces_of
-- Pieces in which a trace lies, by its id.
SELECT t.id, t.holder, t.first_ms, t.last_ms, t.count FROM trace_places p JOIN traces t ON t.id = p.piece WHERE p.trace = :trace ORDER BY t.id;

-- name: traces_between
-- Pieces whose first trace began in a time, newest first.
SELECT id, holder, first_ms, last_ms, count, failed FROM traces
WHERE project = :project AND first_ms >= :from_ms AND first_ms <= :to_ms ORDER BY first_ms DESC LIMIT :limit;

-- name: trace_get
-- One piece.
SELECT id, holder, first_ms, last_ms, count, failed, sealed FROM traces WHERE id = :id;

-- name: traces_size
-- How much is kept.
SELECT count(*) AS pieces, coalesce(sum(count), 0) AS traces, coalesce(sum(length(sealed)), 0) AS bytes FROM traces WHERE project = :project;

-- name: traces_oldest
-- The oldest pieces, those of before a moment.
SELECT id FROM traces WHERE project = :project AND first_ms < :before_ms ORDER BY first_ms LIMIT :limit;

-- name: trace_forget
-- A piece goes.
DELETE FROM traces WHERE id = :id;

-- name: trace_places_forget
-- What was known of a piece's traces goes with it.
DELETE FROM trace_places WHERE piece = :id;

-- name: runs_ended_after
-- Runs that are over, in the order in which they ended, after a place in it.
SELECT id, kind, subject, state, why, created_ms, finished_ms, done, total, counts, error, parent FROM runs
WHERE project = :project AND finished_ms IS NOT NULL AND (finished_ms, id) > (:finished_ms, :id) AND finished_ms <= :until_ms ORDER BY finished_ms, id LIMIT :limit;

-- name: runs_begun_after
-- Runs in the order in which they began, after a place in it.
SELECT id, kind, subject, state, why, created_ms, finished_ms, done, total, counts, error, parent FROM runs
WHERE project = :project AND (created_ms, id) > (:created_ms, :id) AND created_ms <= :until_ms ORDER BY created_ms, id LIMIT :limit;

-- name: steps_of_run
-- The steps that a run did, or whose result was taken from it: the one that it was begun for first.
SELECT pipeline, step, place, state, key, run, lease, artifact, subject, attempts, error, told, started_ms, finished_ms FROM pipeline_steps WHERE run = :run AND run <> ''
ORDER BY state = 'cached', pipeline, place;

-- name: pipelines_by_outcome
-- How many pipelines of each model and flow ended how.
SELECT p.model, coalesce(m.name, f.name, '') AS name, p.state, p.outcome, count(*) AS count FROM pipelines p
LEFT JOIN models m ON m.id = p.model LEFT JOIN flows f ON f.id = p.model WHERE p.project = :project GROUP BY 1, 2, 3, 4;

-- name: rollouts_by_model
-- The rollouts that are under way.
SELECT r.id, m.name, r.state, r.stage, r.share_millionths FROM rollouts r JOIN models m ON m.id = r.model WHERE r.project = :project AND r.state <> 'ended';

-- name: waits_ended_since
-- How long the leases waited that were granted since.
SELECT q.name AS queue, l.asked_ms, l.granted_ms FROM leases l JOIN queues q ON q.id = l.queue
WHERE l.project = :project AND l.granted_ms IS NOT NULL AND l.granted_ms > :since_ms ORDER BY l.granted_ms LIMIT 10000;

-- name: entries_newest_seq
-- The place of the newest leaf: how many there are, without counting them.
SELECT coalesce(max(seq), 0) AS seq FROM entries;

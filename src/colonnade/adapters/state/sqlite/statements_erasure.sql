-- SPDX-License-Identifier: Apache-2.0
-- Statements of erasing and sweeping, as in statements.sql.

-- name: erasure_add
-- Somebody asks for an erasure, or a restored state is told of one.
INSERT INTO erasures (id, project, what, subject, state, plan, asked_by, asked_ms) VALUES (:id, :project, :what, :subject, :state, :plan, :asked_by, :asked_ms);

-- name: erasure_get
-- One erasure.
SELECT * FROM erasures WHERE id = :id;

-- name: erasures_of_project
-- Every erasure, newest first.
SELECT * FROM erasures WHERE project = :project ORDER BY id DESC;

-- name: erasures_in_state
-- Erasures that wait, or that are under way, oldest first.
SELECT * FROM erasures WHERE project = :project AND state = :state ORDER BY id;

-- name: erasure_decide
-- The word was said, once.
UPDATE erasures SET state = :state, approver = :approver, decision = :decision, run = :run, decided_ms = :decided_ms WHERE id = :id AND state = 'asked';

-- name: erasure_again
-- A restored state waits for a word that was said long ago.
UPDATE erasures SET state = 'erasing', plan = :plan, run = '', decision = '' WHERE id = :id AND state IN ('asked', 'denied');

-- name: erasures_overtake
-- Whoever asked for the same is overtaken.
UPDATE erasures SET state = 'denied' WHERE subject = :subject AND state = 'asked';

-- name: erasure_plan
-- What is to be carried out is known now: the rows that tell it go in the same transaction.
UPDATE erasures SET plan = :plan WHERE id = :id AND state = 'erasing';

-- name: erasure_end
-- It is done, once.
UPDATE erasures SET state = 'done', proof = :proof, ended_ms = :ended_ms WHERE id = :id AND state = 'erasing';

-- name: tombstone_add
-- These bytes are never read again.
INSERT INTO tombstones (project, mac, erasure, at_ms) VALUES (:project, :mac, :erasure, :at_ms) ON CONFLICT DO NOTHING;

-- name: tombstone_get
-- Whether bytes were erased: here under their own mac, or under that of bytes and place.
SELECT erasure FROM tombstones WHERE project = :project AND mac IN (:mac, :placed);

-- name: content_holders
-- Documents that hold or held a content.
SELECT DISTINCT document FROM versions WHERE content = :content ORDER BY document;

-- name: documents_all
-- Every document of a project.
SELECT id, knowledge FROM documents WHERE project = :project ORDER BY id;

-- name: file_of_document
-- Where a document's file lies.
SELECT knowledge, path_mac, path_sealed, source FROM files WHERE document = :document;

-- name: files_hold
-- A file lies in a source and is not to be read: under the base's own key its path is told to the owner.
UPDATE files SET code = 'erased', reason = :reason, document = NULL, path_sealed = :path_sealed WHERE knowledge = :knowledge AND path_mac = :path_mac;

-- name: versions_erase
-- What a document held, and where.
DELETE FROM versions WHERE document = :document;

-- name: document_erase
-- A document's row.
DELETE FROM documents WHERE id = :document;

-- name: content_erase
-- A content's row.
DELETE FROM contents WHERE id = :content;

-- name: vectors_erase
-- A content's vectors.
DELETE FROM vectors WHERE content = :content;

-- name: answer_erase
-- An answer's text; ids, numbers and status stay.
UPDATE answers SET sealed = NULL WHERE id = :id;

-- name: answers_of_asker
-- What a person asked.
SELECT id FROM answers WHERE asker = :asker ORDER BY id;

-- name: answers_older
-- Answers that still have their text, from before an instant.
SELECT id FROM answers WHERE project = :project AND at_ms < :before_ms AND sealed IS NOT NULL ORDER BY id LIMIT :limit;

-- name: feedback_erase
-- What readers said of an answer: it may quote it.
DELETE FROM feedback WHERE answer = :answer;

-- name: feedback_by
-- What a person said of answers.
SELECT id FROM feedback WHERE principal = :principal ORDER BY id;

-- name: feedback_erase_by
-- The same, gone.
DELETE FROM feedback WHERE principal = :principal;

-- name: principal_get
-- One principal.
SELECT id, kind, declared FROM principals WHERE id = :id AND project = :project;

-- name: principal_erase
-- A person's name, and what found it again; the same name stands for somebody new from now on.
UPDATE principals SET name_mac = :name_mac, name_sealed = x'', declared = 0 WHERE id = :id;

-- name: members_erase
-- A person is in no group.
DELETE FROM members WHERE principal = :principal;

-- name: api_keys_erase
-- A person's keys open nothing, and have no name.
UPDATE api_keys SET name = '(erased)', revoked_ms = coalesce(revoked_ms, :now_ms) WHERE principal = :principal;

-- name: leases_of_principal
-- What a person ran.
SELECT id, run, state FROM leases WHERE principal = :principal ORDER BY id;

-- name: trace_places_erase
-- Where traces of a person's own programs lie.
DELETE FROM trace_places WHERE piece IN (SELECT id FROM traces WHERE holder = :holder);

-- name: traces_erase
-- Traces of a person's own programs.
DELETE FROM traces WHERE holder = :holder;

-- name: run_work_erase
-- What a run executed.
DELETE FROM run_works WHERE run = :run;

-- name: tracked_erase
-- What a tracked run or model was told of: words, data sets, files and measurements.
UPDATE tracked SET sealed = x'', stage = 'deleted', revision = revision + 1 WHERE id = :id;

-- name: tracked_inputs_erase
-- Data sets of a tracked run.
DELETE FROM tracked_inputs WHERE owner = (SELECT number FROM tracked WHERE id = :id);

-- name: tracked_files_erase
-- Names of its files.
DELETE FROM tracked_files WHERE owner = (SELECT number FROM tracked WHERE id = :id);

-- name: tracked_points_erase
-- Its measurements.
DELETE FROM tracked_points WHERE owner = (SELECT number FROM tracked WHERE id = :id);

-- name: tracked_latest_erase
-- Its newest measurements.
DELETE FROM tracked_latest WHERE owner = (SELECT number FROM tracked WHERE id = :id);

-- name: artifacts_of_kind
-- Artifacts of a kind with their bodies, oldest first.
SELECT digest, body, created_ms FROM artifacts WHERE project = :project AND kind = :kind ORDER BY created_ms;

-- name: artifact_erase
-- An artifact that no name points to.
DELETE FROM artifacts WHERE digest = :digest AND digest NOT IN (SELECT digest FROM names);

-- name: captures_older
-- Pieces of captured requests from before an instant.
SELECT id, length(sealed) AS bytes FROM captures WHERE project = :project AND last_ms < :before_ms ORDER BY id;

-- name: capture_drop
-- A piece of captured requests.
DELETE FROM captures WHERE id = :id;

-- name: leases_all
-- Every lease that ever was, with when it ended.
SELECT id, run, state, ended_ms FROM leases WHERE project = :project ORDER BY id;

-- name: names_all
-- What names point to.
SELECT kind, name, digest FROM names WHERE project = :project;

-- name: rollbacks_all
-- Versions that were live when somebody went back, and those gone back to.
SELECT was, version FROM rollbacks WHERE project = :project;

-- name: rollouts_all
-- Versions that were tried on real requests.
SELECT pipeline, champion, challenger, state, outcome FROM rollouts WHERE project = :project;

-- name: pipelines_all
-- Every pipeline, newest first.
SELECT run, model, state, outcome, version, created_ms FROM pipelines WHERE project = :project ORDER BY run DESC;

-- name: pipeline_steps_all
-- What every step gave.
SELECT s.pipeline, s.artifact, s.told FROM pipeline_steps s JOIN pipelines p ON p.run = s.pipeline WHERE p.project = :project;

-- name: steps_all
-- Results of steps that are found again.
SELECT key, artifact, finished_ms FROM steps WHERE project = :project;

-- name: step_drop
-- A result of a step is not found again.
DELETE FROM steps WHERE project = :project AND artifact = :artifact;

-- name: meta_all
-- Every fact about this state directory.
SELECT key, value FROM meta;

-- name: artifact_files_all
-- Where all bytes of artifacts lie.
SELECT content, blob, size FROM artifact_files WHERE project = :project;

-- name: artifact_file_drop
-- Bytes of an artifact that nothing names any more.
DELETE FROM artifact_files WHERE project = :project AND content = :content;

-- name: tracked_contents
-- Bytes that tracked runs name.
SELECT DISTINCT f.content FROM tracked_files f JOIN tracked t ON t.number = f.owner WHERE t.project = :project;

-- name: contents_blobs
-- Where all bytes of documents lie.
SELECT raw, text FROM contents WHERE project = :project;

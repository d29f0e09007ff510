-- SPDX-License-Identifier: Apache-2.0
-- The state of one directory. The project stands in every key. What is personal is sealed or keyed before it comes here.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- The log. `idx` is given by the sequencer; the bytes are the bytes hashed. subject, kind and edges repeat what the bytes say.
CREATE TABLE entries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  project TEXT NOT NULL,
  subject TEXT NOT NULL,
  kind TEXT NOT NULL,
  bytes BLOB NOT NULL,
  hash BLOB NOT NULL,
  idx INTEGER UNIQUE
);
CREATE INDEX entries_unsequenced ON entries (seq) WHERE idx IS NULL;
CREATE INDEX entries_subject ON entries (subject);
CREATE TABLE edges (
  subject TEXT NOT NULL,
  seq INTEGER NOT NULL,
  place INTEGER NOT NULL,
  role TEXT NOT NULL,
  ref TEXT NOT NULL,
  PRIMARY KEY (subject, seq, place)
) WITHOUT ROWID;
CREATE INDEX edges_ref ON edges (ref, seq, place, role);
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, root BLOB NOT NULL, frontier BLOB NOT NULL, note TEXT NOT NULL, at_ms INTEGER NOT NULL);

-- Who.
CREATE TABLE projects (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE subject_keys (subject TEXT PRIMARY KEY, project TEXT NOT NULL, wrapped BLOB) WITHOUT ROWID;
CREATE TABLE principals (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, kind TEXT NOT NULL, name_mac BLOB NOT NULL, name_sealed BLOB NOT NULL,
  declared INTEGER NOT NULL, created_ms INTEGER NOT NULL, UNIQUE (project, name_mac)
) WITHOUT ROWID;
CREATE TABLE members (project TEXT NOT NULL, name TEXT NOT NULL, principal TEXT NOT NULL, PRIMARY KEY (project, name, principal)) WITHOUT ROWID;
CREATE TABLE reader_sets (id TEXT PRIMARY KEY, project TEXT NOT NULL, names TEXT NOT NULL, UNIQUE (project, names)) WITHOUT ROWID;
CREATE TABLE api_keys (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, principal TEXT NOT NULL, name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, owner INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, expires_ms INTEGER, revoked_ms INTEGER, last_used_ms INTEGER
) WITHOUT ROWID;

-- What.
CREATE TABLE artifacts (
  digest TEXT PRIMARY KEY, project TEXT NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, created_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE names (
  project TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, generation INTEGER NOT NULL,
  PRIMARY KEY (project, kind, name)
) WITHOUT ROWID;

-- Knowledge. A content is the text of one or several equal files; a version says which document held it, where, from when to when.
CREATE TABLE knowledge (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL, embedded_total INTEGER NOT NULL DEFAULT 0, generation INTEGER NOT NULL DEFAULT 0,
  embedder TEXT, created_ms INTEGER NOT NULL, UNIQUE (project, name)
) WITHOUT ROWID;
CREATE TABLE documents (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, knowledge TEXT NOT NULL, source TEXT NOT NULL, readers TEXT NOT NULL, created_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX documents_knowledge ON documents (knowledge);
CREATE TABLE versions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, document TEXT NOT NULL, knowledge TEXT NOT NULL, content TEXT NOT NULL,
  path_mac BLOB NOT NULL, path_sealed BLOB NOT NULL, valid_from_ms INTEGER NOT NULL, valid_to_ms INTEGER
);
CREATE INDEX versions_document ON versions (document);
CREATE INDEX versions_content ON versions (content);
CREATE UNIQUE INDEX versions_live ON versions (document) WHERE valid_to_ms IS NULL;
CREATE TABLE contents (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL, knowledge TEXT NOT NULL, mac BLOB NOT NULL,
  raw TEXT NOT NULL, text TEXT, encoding TEXT, title BLOB NOT NULL, chars INTEGER NOT NULL, chunks INTEGER NOT NULL, body BLOB NOT NULL,
  UNIQUE (knowledge, mac)
);
CREATE TABLE vectors (
  content TEXT NOT NULL, embedder TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, rows BLOB NOT NULL,
  PRIMARY KEY (content, embedder, first)
) WITHOUT ROWID;
CREATE TABLE files (
  knowledge TEXT NOT NULL, path_mac BLOB NOT NULL, path_sealed BLOB NOT NULL, source TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  inode INTEGER NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL, document TEXT, parser TEXT NOT NULL,
  PRIMARY KEY (knowledge, path_mac)
) WITHOUT ROWID;

-- Doing.
CREATE TABLE runs (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, why TEXT NOT NULL,
  created_ms INTEGER NOT NULL, finished_ms INTEGER, done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, counts TEXT NOT NULL DEFAULT '{}',
  error TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX runs_subject ON runs (subject, id);
CREATE TABLE row_leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, token INTEGER NOT NULL, expires_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE services (id TEXT PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (project, name)) WITHOUT ROWID;

-- Past.
CREATE TABLE epochs (id TEXT PRIMARY KEY, project TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL, opened_ms INTEGER NOT NULL, UNIQUE (project, digest)) WITHOUT ROWID;
CREATE TABLE answers (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, service TEXT NOT NULL, asker TEXT NOT NULL, at_ms INTEGER NOT NULL, status TEXT NOT NULL,
  epoch TEXT NOT NULL, decision TEXT NOT NULL, given TEXT NOT NULL, sealed BLOB, ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE feedback (
  id TEXT PRIMARY KEY, project TEXT NOT NULL, answer TEXT NOT NULL, principal TEXT NOT NULL, verdict TEXT NOT NULL, sealed BLOB, at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX feedback_answer ON feedback (answer);

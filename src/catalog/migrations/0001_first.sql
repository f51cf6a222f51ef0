-- Format version 1. What the columns mean and must satisfy: docs/formats/catalog.md.
-- Ids are text as RFC 9562 writes them, lower case, so that the sqlite3 shell shows what the logs say.

CREATE TABLE meta (
  key   TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The journal run that each part rests on.
CREATE TABLE places (
  owner      TEXT    NOT NULL PRIMARY KEY CHECK (owner IN ('broker', 'tables')),
  file       INTEGER NOT NULL,
  position   INTEGER NOT NULL,
  run        INTEGER NOT NULL,
  header_crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Part of 'broker'.
CREATE TABLE topics (
  id         TEXT    NOT NULL PRIMARY KEY,
  name       TEXT    NOT NULL,
  partitions INTEGER NOT NULL CHECK (partitions >= 1),
  is_deleted INTEGER NOT NULL CHECK (is_deleted IN (0, 1)),
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX topics_name ON topics (name) WHERE is_deleted = 0;

CREATE TABLE topic_settings (
  topic_id TEXT NOT NULL REFERENCES topics (id) ON DELETE CASCADE,
  name     TEXT NOT NULL,
  value    TEXT NOT NULL,
  PRIMARY KEY (topic_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE partitions (
  topic_id  TEXT    NOT NULL,
  partition INTEGER NOT NULL CHECK (partition >= 0),
  start     INTEGER NOT NULL CHECK (start >= 0),
  next      INTEGER NOT NULL CHECK (next >= start),
  PRIMARY KEY (topic_id, partition)
) STRICT, WITHOUT ROWID;

-- Part of 'tables'. No reference to topics: the two parts are committed apart.
CREATE TABLE tables (
  topic_id       TEXT    NOT NULL PRIMARY KEY,
  database       TEXT    NOT NULL,
  measurement    TEXT    NOT NULL,
  schema_version INTEGER NOT NULL,
  schema         BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE table_offsets (
  topic_id  TEXT    NOT NULL REFERENCES tables (topic_id) ON DELETE CASCADE,
  partition INTEGER NOT NULL CHECK (partition >= 0),
  next      INTEGER NOT NULL CHECK (next > 0),
  PRIMARY KEY (topic_id, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE table_files (
  path           TEXT    NOT NULL PRIMARY KEY,
  topic_id       TEXT    NOT NULL REFERENCES tables (topic_id) ON DELETE CASCADE,
  partition      INTEGER NOT NULL CHECK (partition >= 0),
  first          INTEGER NOT NULL CHECK (first >= 0),
  next           INTEGER NOT NULL CHECK (next > first),
  rows           INTEGER NOT NULL,
  bytes          INTEGER NOT NULL,
  min_time_us    INTEGER NOT NULL,
  max_time_us    INTEGER NOT NULL CHECK (max_time_us >= min_time_us),
  schema_version INTEGER NOT NULL,
  commit_id      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX table_files_range ON table_files (topic_id, partition, first);

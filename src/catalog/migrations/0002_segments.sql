-- Format version 2: segment objects. What the columns mean and must satisfy: docs/formats/catalog.md.

-- SQLite does not change a CHECK in place.
CREATE TABLE places_of_three (
  owner      TEXT    NOT NULL PRIMARY KEY CHECK (owner IN ('broker', 'tables', 'segments')),
  file       INTEGER NOT NULL,
  position   INTEGER NOT NULL,
  run        INTEGER NOT NULL,
  header_crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO places_of_three (owner, file, position, run, header_crc)
  SELECT owner, file, position, run, header_crc FROM places;
DROP TABLE places;
ALTER TABLE places_of_three RENAME TO places;

-- Part of 'segments'. No reference to topics: the parts are committed apart.
CREATE TABLE segments (
  id         TEXT    NOT NULL PRIMARY KEY,
  name       TEXT    NOT NULL,
  bytes      INTEGER NOT NULL CHECK (bytes > 0),
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE segment_parts (
  object_id        TEXT    NOT NULL REFERENCES segments (id) ON DELETE CASCADE,
  topic_id         TEXT    NOT NULL,
  partition        INTEGER NOT NULL CHECK (partition >= 0),
  first            INTEGER NOT NULL CHECK (first >= 0),
  next             INTEGER NOT NULL CHECK (next > first),
  max_timestamp_ms INTEGER NOT NULL CHECK (max_timestamp_ms >= -1),
  bytes            INTEGER NOT NULL CHECK (bytes > 0),
  PRIMARY KEY (object_id, topic_id, partition)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX segment_parts_range ON segment_parts (topic_id, partition, first);

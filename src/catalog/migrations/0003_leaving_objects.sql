-- Format version 3: objects that left `segments` and may still be in the object store. What the columns mean and must
-- satisfy: docs/formats/catalog.md. Part of 'segments'.
CREATE TABLE leaving_objects (
  id   TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

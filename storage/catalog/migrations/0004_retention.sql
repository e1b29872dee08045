-- What forbids a deletion, and what the pruner remembers.

-- An order that nothing of a device, or of a person, be deleted.
CREATE TABLE hold (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  device_id bytea REFERENCES device,
  person_id bytea REFERENCES person,
  reason text NOT NULL,
  placed_by text NOT NULL,
  placed_at timestamptz NOT NULL,
  released_by text,
  released_at timestamptz,
  CHECK ((device_id IS NULL) <> (person_id IS NULL)),
  CHECK ((released_by IS NULL) = (released_at IS NULL))
);
CREATE INDEX hold_device ON hold (device_id) WHERE released_at IS NULL;
CREATE INDEX hold_person ON hold (person_id) WHERE released_at IS NULL;

-- One pin a snapshot; a new one takes the place of the old one.
CREATE TABLE snapshot_pin (
  snapshot_id bytea PRIMARY KEY REFERENCES snapshot ON DELETE CASCADE,
  pinned_by text NOT NULL,
  pinned_at timestamptz NOT NULL,
  until timestamptz,                        -- null: until it is removed
  reason text NOT NULL
);

-- From here on its deletion is certain: no hold or pin comes in between.
ALTER TABLE snapshot ADD COLUMN deletion_decided_at timestamptz;
CREATE INDEX snapshot_deciding ON snapshot (id)
  WHERE deletion_decided_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX snapshot_person ON snapshot (person_id) WHERE deleted_at IS NULL;

-- Up to which snapshot a lineage was found in order (storage/retention/pause.h).
CREATE TABLE pause_memory (
  device_id bytea NOT NULL REFERENCES device,
  lineage int NOT NULL,
  accepted_sequence bigint NOT NULL DEFAULT 0,  -- by a person
  settled_sequence bigint NOT NULL DEFAULT 0,   -- by the pruner
  PRIMARY KEY (device_id, lineage)
);

-- The pruner's rounds. One row.
CREATE TABLE prune_state (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  last_run_at timestamptz,                  -- a round that began
  stopped text NOT NULL DEFAULT '',         -- why no round may begin; empty if one may
  status bytea NOT NULL DEFAULT ''          -- serialized mooring.v1.PruneStatus of the last round
);
INSERT INTO prune_state (one) VALUES (true);

-- What an approval does beyond restores, exports and deletions.
ALTER TABLE request ADD COLUMN hold_id bytea;
ALTER TABLE request ADD COLUMN policy bytea;  -- serialized mooring.v1.StoredPolicy: the document,
                                              -- and the version that it is to replace

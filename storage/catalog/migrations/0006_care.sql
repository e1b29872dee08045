-- Care of what is stored: scrubbing, healing, replication, restore drills.

ALTER TABLE pack ADD COLUMN scrubbed_at timestamptz;    -- every chunk read and verified; null: never yet
ALTER TABLE pack ADD COLUMN replicated_at timestamptz;  -- verified in the replica; null: not there
CREATE INDEX pack_scrubbed ON pack (scrubbed_at NULLS FIRST, no) WHERE state = 2;
CREATE INDEX pack_unreplicated ON pack (no) WHERE state = 2 AND replicated_at IS NULL;
-- The few rows whose bytes are missing or wrong.
CREATE INDEX chunk_lost ON chunk (no) WHERE state = 4;

-- What a check found wrong, until it is right again.
CREATE TABLE finding (
  no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind smallint NOT NULL,                   -- storage::FindingKind
  subject text NOT NULL,                    -- object key, or id of a snapshot
  message text NOT NULL,
  found_at timestamptz NOT NULL,
  resolved_at timestamptz,
  resolution text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX finding_open ON finding (kind, subject) WHERE resolved_at IS NULL;

-- Evidence of restore drills.
CREATE TABLE drill (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  snapshot_id bytea NOT NULL,
  device_id bytea NOT NULL,
  requested_by text NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL,
  result smallint NOT NULL,                 -- storage::DrillResult
  file_count bigint NOT NULL,
  bytes bigint NOT NULL,
  chunk_count bigint NOT NULL,
  damaged_count bigint NOT NULL,
  message text NOT NULL
);
CREATE INDEX drill_started ON drill (started_at);

CREATE TABLE care_state (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  scrub_pass_at timestamptz,                -- start of a full pass that is not over
  records_checked_at timestamptz,           -- commit records and keys compared with their rows
  replica_synced_at timestamptz,
  exported_at timestamptz,                  -- newest catalog export in the object store
  rebuilt_at timestamptz,
  holds_confirmed_at timestamptz            -- after rebuilt_at, or nothing is deleted
);
INSERT INTO care_state DEFAULT VALUES;

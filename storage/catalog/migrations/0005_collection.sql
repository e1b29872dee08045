-- Garbage collection: live -> condemned -> doomed -> gone.

ALTER TABLE chunk
  ADD COLUMN condemned_at timestamptz,          -- set while condemned or doomed
  ADD COLUMN condemned_generation bigint;       -- complete marks at that time
-- Few rows are not live: what the collector and the status read.
CREATE INDEX chunk_not_live ON chunk (state, no) INCLUDE (bytes) WHERE state <> 1;
CREATE INDEX chunk_owner_chunk ON chunk_owner (chunk_no);

ALTER TABLE pack
  ADD COLUMN doomed_at timestamptz,
  ADD COLUMN doom_generation bigint,
  ADD CHECK ((state = 3) = (doomed_at IS NOT NULL AND doom_generation IS NOT NULL));
CREATE INDEX pack_session ON pack (session_id) WHERE session_id IS NOT NULL;

-- In the order in which commits took the repository lock's shared side: under
-- its exclusive side every snapshot up to the greatest number is visible.
ALTER TABLE snapshot ADD COLUMN commit_no bigint GENERATED ALWAYS AS IDENTITY;
CREATE UNIQUE INDEX snapshot_commit_no ON snapshot (commit_no);

-- What open sessions were told is there; a hint that spares them uploads.
CREATE TABLE session_touch (
  no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  session_id bytea NOT NULL REFERENCES session,
  refs bytea NOT NULL                           -- portable 64-bit roaring bitmap of chunk.no
);
CREATE INDEX session_touch_session ON session_touch (session_id);

CREATE TABLE collection_state (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  epoch bigint NOT NULL DEFAULT 0,
  pending_epoch bigint,
  round_id bytea NOT NULL DEFAULT '',           -- of the newest round, random
  generation bigint NOT NULL DEFAULT 0,
  mark_no bigint NOT NULL DEFAULT 0,
  last_round_at timestamptz,
  stop_reason text NOT NULL DEFAULT '',
  stopped_at timestamptz,
  recovery_reason text NOT NULL DEFAULT '',
  figures bytea NOT NULL DEFAULT '',            -- of the last complete round
  CHECK ((stop_reason <> '') = (stopped_at IS NOT NULL))
);
INSERT INTO collection_state DEFAULT VALUES;

-- Who runs what in a fleet of servers; by the database's clock.
CREATE TABLE job_lease (
  name text PRIMARY KEY,
  holder text NOT NULL,
  until timestamptz NOT NULL
);

-- What the object store holds, and which snapshots stand on it.

CREATE TABLE repository (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  id bytea NOT NULL CHECK (octet_length(id) = 16),  -- also in the store's object "repository"
  created_at timestamptz NOT NULL
);

-- Deduplication scopes. A person's domain, or the organization's (person_id null).
CREATE TABLE domain (
  no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id bytea NOT NULL UNIQUE CHECK (octet_length(id) = 16),
  person_id bytea UNIQUE REFERENCES person
);
-- One domain of the organization.
CREATE UNIQUE INDEX domain_organization ON domain ((person_id IS NULL)) WHERE person_id IS NULL;

-- Wrapped keys; each is also an object under keys/.
CREATE TABLE key_slot (
  purpose int NOT NULL,                     -- storage::KeyPurpose
  subject bytea NOT NULL CHECK (octet_length(subject) = 16),  -- person id, snapshot id, or 16 zero bytes
  wrapped bytea NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (purpose, subject)
);

CREATE TABLE session (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  idempotency_key bytea NOT NULL UNIQUE,
  device_id bytea NOT NULL REFERENCES device,
  person_id bytea NOT NULL REFERENCES person,
  lineage int NOT NULL,
  agent_id bytea NOT NULL REFERENCES agent,
  snapshot_id bytea NOT NULL UNIQUE,
  sequence bigint NOT NULL,
  base_snapshot_id bytea,                   -- what it may read as its base
  state int NOT NULL,                       -- mooring.v1.SessionState
  captures int[] NOT NULL,
  wrapped_snapshot_key bytea NOT NULL,
  started_at timestamptz NOT NULL,
  lease_until timestamptz NOT NULL,
  ended_at timestamptz,
  cause int NOT NULL DEFAULT 0,
  message text NOT NULL DEFAULT '',
  progress bytea,                           -- serialized mooring.v1.Progress, last heard
  read_bytes bigint NOT NULL DEFAULT 0,
  new_bytes bigint NOT NULL DEFAULT 0,
  commit_key bytea,                         -- idempotency key of the commit
  receipt bytea,                            -- serialized mooring.v1.Receipt
  CHECK ((state = 2) = (receipt IS NOT NULL AND commit_key IS NOT NULL)),
  CHECK ((state = 1) = (ended_at IS NULL))
);
CREATE INDEX session_device ON session (device_id, started_at);
CREATE INDEX session_started ON session (started_at);
-- One open session a device.
CREATE UNIQUE INDEX session_open ON session (device_id) WHERE state = 1;
CREATE INDEX session_lease ON session (lease_until) WHERE state = 1;

CREATE TABLE pack (
  no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id bytea NOT NULL UNIQUE CHECK (octet_length(id) = 16),
  session_id bytea,
  state int NOT NULL CHECK (state BETWEEN 1 AND 3),  -- 1 staged, 2 live, 3 doomed
  bytes bigint NOT NULL DEFAULT 0,
  sha256 bytea,
  created_at timestamptz NOT NULL,
  CHECK (state = 1 OR octet_length(sha256) = 32)
);
CREATE INDEX pack_not_live ON pack (state, no) WHERE state <> 2;

-- Numbers are permanent: never reused, never changed by compaction.
CREATE TABLE chunk (
  no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  domain_no int NOT NULL REFERENCES domain,
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  pack_no bigint NOT NULL REFERENCES pack,
  pack_offset bigint NOT NULL CHECK (pack_offset >= 0),
  bytes int NOT NULL CHECK (bytes > 0),
  state smallint NOT NULL CHECK (state BETWEEN 1 AND 4),  -- 1 live, 2 condemned, 3 doomed, 4 lost
  UNIQUE (domain_no, id)
);
CREATE INDEX chunk_pack ON chunk (pack_no);

-- Organization domain: who has proved to hold a chunk by uploading its bytes.
CREATE TABLE chunk_owner (
  person_id bytea NOT NULL REFERENCES person,
  chunk_no bigint NOT NULL,
  PRIMARY KEY (person_id, chunk_no)
);

CREATE TABLE snapshot (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  device_id bytea NOT NULL REFERENCES device,
  person_id bytea NOT NULL REFERENCES person,
  lineage int NOT NULL,
  sequence bigint NOT NULL,
  session_id bytea NOT NULL UNIQUE REFERENCES session,
  parent_id bytea,
  created_at timestamptz NOT NULL,
  captured_at timestamptz NOT NULL,         -- what an RPO counts from
  file_count bigint NOT NULL,
  logical_bytes bigint NOT NULL,
  read_bytes bigint NOT NULL,
  new_bytes bigint NOT NULL,
  referenced_bytes bigint NOT NULL,
  chunk_count bigint NOT NULL,
  root bytea NOT NULL,                      -- sealed manifest root
  root_hash bytea NOT NULL,
  captures bytea[] NOT NULL,                -- serialized mooring.v1.Capture
  device_facts bytea NOT NULL,              -- serialized mooring.v1.DeviceFacts
  refs bytea NOT NULL,                      -- portable 64-bit roaring bitmap of chunk.no
  base_ids bytea NOT NULL,                  -- concatenated chunk ids
  deleted_at timestamptz,
  verified_at timestamptz,
  damaged_chunks bigint NOT NULL DEFAULT 0,
  UNIQUE (device_id, sequence)
);
CREATE INDEX snapshot_created ON snapshot (created_at);
-- The newest of a device, for its base and for the compliance report.
CREATE INDEX snapshot_live ON snapshot (device_id, lineage, captured_at)
  INCLUDE (id, created_at) WHERE deleted_at IS NULL;

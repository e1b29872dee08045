-- People, phones, agents and what they may do. Ids are 16 random bytes.
-- Times come from the server's clock, never from now().

CREATE TABLE organization (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  name text NOT NULL,
  single_admin boolean NOT NULL,
  created_at timestamptz NOT NULL
);

-- Administrators, and the tokens they call with.
CREATE TABLE account (
  name text PRIMARY KEY,
  created_at timestamptz NOT NULL
);

CREATE TABLE api_token (
  token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),  -- SHA-256 of the token
  account text NOT NULL REFERENCES account,
  permissions int[] NOT NULL,               -- mooring.v1.Permission
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz
);
CREATE INDEX api_token_account ON api_token (account);

CREATE TABLE person (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  handle text NOT NULL UNIQUE CHECK (handle <> ''),
  name text NOT NULL,
  email text NOT NULL,
  policy_group text NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX person_group ON person (policy_group);

CREATE TABLE invitation (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  secret_hash bytea NOT NULL UNIQUE,        -- SHA-256 of the secret
  uses_max int NOT NULL CHECK (uses_max > 0),
  uses int NOT NULL DEFAULT 0 CHECK (uses BETWEEN 0 AND uses_max),
  note text NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz
);

CREATE TABLE agent (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  hostname text NOT NULL,
  version text NOT NULL,
  os text NOT NULL DEFAULT '',
  protocol_version int NOT NULL,
  hpke_public_key bytea NOT NULL CHECK (octet_length(hpke_public_key) = 32),
  key_hash bytea NOT NULL UNIQUE,           -- SHA-256 of the certificate's public key (SPKI)
  previous_key_hash bytea,                  -- accepted until the renewed one is first used
  certificate_expires_at timestamptz NOT NULL,
  enrolled_at timestamptz NOT NULL,
  last_seen_at timestamptz,
  revoked_at timestamptz,
  revoked_reason text NOT NULL DEFAULT ''
);
CREATE INDEX agent_previous_key ON agent (previous_key_hash) WHERE previous_key_hash IS NOT NULL;

CREATE TABLE device (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  platform int NOT NULL,                    -- mooring.v1.Platform
  serial text NOT NULL UNIQUE CHECK (serial <> ''),
  name text NOT NULL,
  model text NOT NULL,
  os_version text NOT NULL,
  phone_encrypts boolean NOT NULL DEFAULT false,
  person_id bytea REFERENCES person,
  lineage int NOT NULL DEFAULT 1 CHECK (lineage > 0),  -- counts the people it has been bound to
  first_seen_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  attached_agent_id bytea REFERENCES agent, -- where it is plugged in now
  next_sequence bigint NOT NULL DEFAULT 1,
  last_attempt_at timestamptz,
  last_cause int NOT NULL DEFAULT 0,        -- mooring.v1.Cause of the last miss; 0 after a snapshot
  last_message text NOT NULL DEFAULT ''
);
CREATE INDEX device_person ON device (person_id);
CREATE INDEX device_attached ON device (attached_agent_id) WHERE attached_agent_id IS NOT NULL;

-- Agents that may read the base of the device's newest snapshot.
CREATE TABLE admission (
  device_id bytea NOT NULL REFERENCES device ON DELETE CASCADE,
  agent_id bytea NOT NULL REFERENCES agent ON DELETE CASCADE,
  lineage int NOT NULL,                     -- void once the device has another person
  admitted_by text NOT NULL,
  admitted_at timestamptz NOT NULL,
  PRIMARY KEY (device_id, agent_id)
);

-- Every version of every group's policy; the highest is in force.
CREATE TABLE policy (
  policy_group text NOT NULL,
  version int NOT NULL CHECK (version > 0),
  document bytea NOT NULL,                  -- serialized mooring.v1.Policy
  applied_by text NOT NULL,
  applied_at timestamptz NOT NULL,
  PRIMARY KEY (policy_group, version)
);

-- Dangerous acts wait here for a second person.
CREATE TABLE request (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  kind int NOT NULL,                        -- mooring.v1.RequestKind
  state int NOT NULL,                       -- mooring.v1.RequestState
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  reason text NOT NULL,
  decided_by text,
  decided_at timestamptz,
  decision_reason text NOT NULL DEFAULT '',
  snapshot_id bytea NOT NULL,
  device_id bytea NOT NULL,
  target_serial text NOT NULL DEFAULT '',
  summary text NOT NULL,
  CHECK ((state IN (2, 3)) = (decided_by IS NOT NULL AND decided_at IS NOT NULL))
);
CREATE INDEX request_pending ON request (expires_at) WHERE state = 1;

-- The right to read one snapshot, for a short while.
CREATE TABLE access_grant (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  request_id bytea NOT NULL UNIQUE REFERENCES request,
  snapshot_id bytea NOT NULL,
  code_hash bytea UNIQUE,                   -- SHA-256 of the code; null until one is made
  account text NOT NULL,                    -- who asked
  agent_id bytea REFERENCES agent,          -- bound to the first agent that opens it
  hpke_public_key bytea,                    -- and to the key it was opened for
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  opened_at timestamptz,
  closed_at timestamptz,
  CHECK ((opened_at IS NULL) = (hpke_public_key IS NULL))
);

CREATE TABLE restore (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  request_id bytea NOT NULL UNIQUE REFERENCES request,
  snapshot_id bytea NOT NULL,
  target_serial text NOT NULL,
  state int NOT NULL,                       -- mooring.v1.RestoreState
  cause int NOT NULL DEFAULT 0,
  message text NOT NULL DEFAULT '',
  progress bytea,                           -- serialized mooring.v1.Progress
  created_at timestamptz NOT NULL,
  finished_at timestamptz,
  file_count bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0
);
CREATE INDEX restore_unfinished ON restore (target_serial) WHERE finished_at IS NULL;

-- Written in the transaction of the change that it tells of.
CREATE TABLE audit (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  actor text NOT NULL,                      -- "account:NAME", "agent:ID" or "server"
  action text NOT NULL,                     -- "device.assign", "snapshot.commit", ...
  subject text NOT NULL,                    -- id of what was changed
  detail jsonb NOT NULL
);

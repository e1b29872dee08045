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
  token_hash bytea PRIMARY KEY,             -- SHA-256 of the token
  account text NOT NULL REFERENCES account,
  permissions int[] NOT NULL,               -- mooring.v1.Permission
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz
);

CREATE TABLE person (
  id bytea PRIMARY KEY,
  handle text NOT NULL UNIQUE,
  name text NOT NULL,
  email text NOT NULL,
  policy_group text NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE TABLE invitation (
  id bytea PRIMARY KEY,
  secret_hash bytea NOT NULL UNIQUE,        -- SHA-256 of the secret
  uses_max int NOT NULL CHECK (uses_max > 0),
  uses int NOT NULL DEFAULT 0 CHECK (uses <= uses_max),
  note text NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz
);

CREATE TABLE agent (
  id bytea PRIMARY KEY,
  hostname text NOT NULL,
  version text NOT NULL,
  os text NOT NULL DEFAULT '',
  protocol_version int NOT NULL,
  hpke_public_key bytea NOT NULL,
  key_hash bytea NOT NULL,                  -- SHA-256 of the certificate's public key (SPKI)
  previous_key_hash bytea,                  -- accepted until the renewed one is first used
  certificate_expires_at timestamptz NOT NULL,
  enrolled_at timestamptz NOT NULL,
  last_seen_at timestamptz,
  revoked_at timestamptz,
  revoked_reason text NOT NULL DEFAULT ''
);

CREATE TABLE device (
  id bytea PRIMARY KEY,
  platform int NOT NULL,                    -- mooring.v1.Platform
  serial text NOT NULL UNIQUE,
  name text NOT NULL,
  model text NOT NULL,
  os_version text NOT NULL,
  phone_encrypts boolean NOT NULL DEFAULT false,
  person_id bytea REFERENCES person,
  lineage int NOT NULL DEFAULT 1,           -- counts the people it has been bound to
  first_seen_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  attached_agent_id bytea REFERENCES agent, -- where it is plugged in now
  next_sequence bigint NOT NULL DEFAULT 1,
  last_attempt_at timestamptz,
  last_cause int NOT NULL DEFAULT 0,        -- mooring.v1.Cause of the last miss; 0 after a snapshot
  last_message text NOT NULL DEFAULT ''
);
CREATE INDEX device_person ON device (person_id);

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
  version int NOT NULL,
  document bytea NOT NULL,                  -- serialized mooring.v1.Policy
  applied_by text NOT NULL,
  applied_at timestamptz NOT NULL,
  PRIMARY KEY (policy_group, version)
);

-- Dangerous acts wait here for a second person.
CREATE TABLE request (
  id bytea PRIMARY KEY,
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
  summary text NOT NULL
);

-- The right to read one snapshot, for a short while.
CREATE TABLE access_grant (
  id bytea PRIMARY KEY,
  request_id bytea NOT NULL UNIQUE REFERENCES request,
  snapshot_id bytea NOT NULL,
  code_hash bytea UNIQUE,                   -- SHA-256 of the code; null until one is made
  account text NOT NULL,                    -- who asked
  agent_id bytea REFERENCES agent,          -- bound to the first agent that opens it
  hpke_public_key bytea,                    -- and to the key it was opened for
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  opened_at timestamptz,
  closed_at timestamptz
);

CREATE TABLE restore (
  id bytea PRIMARY KEY,
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

-- Written in the transaction of the change that it tells of.
CREATE TABLE audit (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  actor text NOT NULL,                      -- "account:NAME", "agent:ID" or "server"
  action text NOT NULL,                     -- "device.assign", "snapshot.commit", ...
  subject text NOT NULL,                    -- id of what was changed
  detail jsonb NOT NULL
);

-- Several servers of one organization. Times here are the database's, so that the
-- servers need not agree on theirs.

CREATE TABLE server (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  name text NOT NULL,
  agents text NOT NULL,                     -- HOST:PORT; empty until it listens
  enrollment text NOT NULL,
  version text NOT NULL,
  heard_at timestamptz NOT NULL,
  alive_until timestamptz NOT NULL
);

-- Where an agent's control stream is.
CREATE TABLE agent_place (
  agent_id bytea PRIMARY KEY REFERENCES agent ON DELETE CASCADE,
  server_id bytea NOT NULL REFERENCES server ON DELETE CASCADE,
  connection bigint NOT NULL                -- of that server, since it started
);
CREATE INDEX agent_place_server ON agent_place (server_id);

-- Orders to agents whose stream is at another server than the one that was asked.
CREATE TABLE server_order (
  no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  server_id bytea NOT NULL REFERENCES server ON DELETE CASCADE,
  agent_id bytea NOT NULL REFERENCES agent ON DELETE CASCADE,
  message bytea NOT NULL,                   -- serialized mooring.v1.ControlResponse; no grant code
  created_at timestamptz NOT NULL
);
CREATE INDEX server_order_server ON server_order (server_id, no);

-- When a job that runs once in the fleet of servers last began.
CREATE TABLE job_turn (
  name text PRIMARY KEY,
  began_at timestamptz NOT NULL
);

-- The organization's CA, for servers that join: its key is wrapped by the KEK.
CREATE TABLE authority (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  certificate text NOT NULL,                -- PEM
  wrapped_key bytea NOT NULL
);

-- What a phone last said of itself, capabilities included.
ALTER TABLE device ADD COLUMN facts bytea NOT NULL DEFAULT '';  -- serialized mooring.v1.DeviceFacts

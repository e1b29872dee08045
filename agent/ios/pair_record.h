// PairRecord: the trust between one phone and this computer, as usbmuxd keeps
// it. Holds private keys and the escrow bag: never logged, never stored by us.

#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "storage/base/bytes.h"
#include "storage/base/secret_bytes.h"

namespace mooring::agent {

struct PairRecord {
  std::string host_id;
  // PEM. The phone presents the device certificate, we present the root.
  std::string device_certificate;
  std::string root_certificate;
  SecretBytes root_private_key;
};

// kNotFound: the phone is not paired with this computer.
absl::StatusOr<PairRecord> ReadPairRecord(const std::string& udid);

// From the record's property list. kInvalidArgument: damaged.
absl::StatusOr<PairRecord> ParsePairRecord(ByteView bytes);

}  // namespace mooring::agent

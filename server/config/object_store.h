// The object store that the configuration names, opened: a directory or a bucket.

#pragma once

#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "mooring/config/v1/config.pb.h"
#include "storage/base/clock.h"
#include "storage/base/file.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/objects/object_store.h"

namespace mooring::server {

struct ObjectStoreEnvironment {
  FileSystem& files;
  Clock& clock;
  Random& random;
};

struct OpenedObjectStore {
  std::unique_ptr<storage::ObjectStore> store;
  // What a probe of the bucket has found, for the log; empty for a directory.
  std::string capabilities;
};

// The configuration as if the replica were the repository. Without object lock:
// what a replica drops, the tombstones and journals of the repository say.
config::v1::ServerConfig ReplicaAsRepository(const config::v1::ServerConfig& config);

// kInvalidArgument names the key of the configuration.
absl::Status CheckObjectStoreConfig(const config::v1::ServerConfig& config);

// Of a checked configuration. What `environment` names outlives the store.
absl::StatusOr<OpenedObjectStore> OpenObjectStore(const OpContext& ctx,
                                                  const ObjectStoreEnvironment& environment,
                                                  const config::v1::ServerConfig& config);

}  // namespace mooring::server

// Checks one pack in the store against its rows: there, as long as recorded,
// described by a footer that agrees, every chunk hashing to its id. Needs the
// pack-index key for the footer and no content key.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "storage/base/op_context.h"
#include "storage/base/secret_bytes.h"
#include "storage/care/pace.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/pack_store.h"
#include "storage/objects/object_store.h"
#include "storage/pack/pack.h"

namespace mooring::storage {

struct PackReport {
  std::uint64_t chunks = 0;  // Rows that were checked.
  std::uint64_t bytes = 0;   // Read.
  std::vector<ChunkLocation> bad;
  // What is wrong with the object as a whole; empty if nothing.
  std::string object_problem;
  // What is wrong with header, footer or trailer although chunks may be good.
  std::string footer_problem;

  bool is_good() const { return bad.empty() && object_problem.empty() && footer_problem.empty(); }
};

// `rows` are the live, condemned and lost chunks of `pack`, by offset; lost ones
// are read too, and are bad only if their bytes are. What is wrong once is read
// again before it is believed. Errors are the store's, and nothing is known then.
absl::StatusOr<PackReport> CheckPack(const OpContext& ctx, ObjectStore& objects,
                                     const SecretBytes& pack_index_key, const PackRecord& pack,
                                     const std::vector<ChunkLocation>& rows, Pace& pace);

// The bytes of one chunk. kNotFound: no such object. kDataLoss: too short, or
// they do not hash to the id.
absl::Status ReadVerified(const OpContext& ctx, ObjectStore& objects, const ChunkLocation& chunk,
                          Bytes& buffer);

// The footer of the pack object `key`.
absl::StatusOr<PackFooter> ReadFooterOf(const OpContext& ctx, ObjectStore& objects,
                                        const SecretBytes& pack_index_key, const PackId& pack,
                                        std::uint64_t size_bytes);

// OK if the store holds the repository: one that is not mounted has lost nothing.
// kUnavailable otherwise.
absl::Status CheckStoreIsThere(const OpContext& ctx, ObjectStore& objects);

}  // namespace mooring::storage

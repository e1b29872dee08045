// ChunkIndex: where every chunk lies, by (domain, id), and who may know of it.
//
// Existence: in a person's domain every LIVE row exists for that person's
// sessions, aborted ones included; in the organization's domain only chunks
// whose bytes that person uploaded (chunk_owner). FindLive is this predicate,
// and nothing else answers questions of existence.
//
// Calls take any number of ids and send them in bounded batches.
//
// States: live -> condemned -> doomed -> row gone, by the collector alone, under
// the exclusive repository lock (storage/design/gc-safety.md). A condemned chunk
// lives again when it is found (FindAndTouch); a condemned, doomed or lost one
// when its bytes are uploaded anew (Insert).

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/ids.h"

namespace mooring::storage {

enum class ChunkState {
  kLive = 1,
  kCondemned = 2,
  kDoomed = 3,
  kLost = 4,  // Its bytes are missing or wrong.
};

struct DomainRecord {
  DomainId id;
  std::optional<PersonId> person;  // None: the organization's.
};

struct LiveChunk {
  std::uint64_t no = 0;  // Permanent.
  std::uint32_t bytes = 0;
};

struct ChunkLocation {
  std::uint64_t no = 0;
  DomainId domain;
  ChunkId id;
  PackId pack;
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
  ChunkState state = ChunkState::kLive;
};

// One chunk of a pack that has become durable.
struct NewChunk {
  DomainId domain;
  ChunkId id;
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
};

struct InsertOutcome {
  std::uint64_t inserted = 0;    // Rows that were not there.
  std::uint64_t taken_over = 0;  // Condemned, doomed or lost ones that live again, here.
  std::uint64_t kept = 0;        // Live ones, which keep their older copy.
  std::uint64_t new_bytes = 0;   // Of the inserted and the taken over.
};

// One row as the collector sees it.
struct ChunkRow {
  std::uint64_t no = 0;
  std::int64_t pack_no = 0;
  std::uint32_t bytes = 0;
  ChunkState state = ChunkState::kLive;
  // Both only while condemned or doomed; a doomed one that was lost has none.
  std::optional<absl::Time> condemned_at;
  std::optional<std::uint64_t> condemned_generation;
};

// A copy of a chunk in another pack.
struct MovedChunk {
  std::uint64_t no = 0;
  std::uint64_t offset = 0;
};

struct DeletedRows {
  std::uint64_t deleted = 0;
  std::uint64_t left = 0;  // Rows of the pack in other states than doomed.
};

struct ChunkTotals {
  struct Sum {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
  };
  Sum live, condemned, doomed, lost;
};

class ChunkIndex {
 public:
  virtual ~ChunkIndex() = default;

  // OK if the same domain is there. kAlreadyExists: the id, or the person, has another.
  virtual absl::Status CreateDomain(const DomainRecord& record) = 0;
  virtual absl::StatusOr<std::optional<DomainRecord>> GetDomain(const DomainId& id) = 0;

  // For each id, in order, the live row that `person` may reference; none
  // where it does not exist for them. kPermissionDenied: another person's domain.
  // kNotFound: no such domain.
  virtual absl::StatusOr<std::vector<std::optional<LiveChunk>>> FindLive(
      const PersonId& person, const DomainId& domain, std::span<const ChunkId> ids) = 0;

  // As FindLive, after the condemned ones among those that `person` may
  // reference have been made live again. The caller makes sure, in the same
  // transaction, that the session is open.
  virtual absl::StatusOr<std::vector<std::optional<LiveChunk>>> FindAndTouch(
      const PersonId& person, const DomainId& domain, std::span<const ChunkId> ids) = 0;

  // Enters the chunks of `pack`, which `person` uploaded. A live row keeps its
  // copy; a condemned, doomed or lost one is taken over. In the organization's
  // domain `person` becomes an owner of each. An id may come once per domain.
  // kPermissionDenied: another person's domain. kNotFound: no such pack or domain.
  virtual absl::StatusOr<InsertOutcome> Insert(const PackId& pack, const PersonId& person,
                                               std::span<const NewChunk> chunks) = 0;

  // Notes that `person` has shown the bytes of chunks that are there already.
  // Live ones only; nothing for a person's own domain.
  virtual absl::Status AddOwner(const PersonId& person, const DomainId& domain,
                                std::span<const ChunkId> ids) = 0;

  // For each id, in order, its row in the first of `domains` that has one
  // (a live one before any other), whatever its state.
  virtual absl::StatusOr<std::vector<std::optional<ChunkLocation>>> Locate(
      std::span<const DomainId> domains, std::span<const ChunkId> ids) = 0;
  // Rows by number, in ascending order; numbers without a row are left out.
  virtual absl::StatusOr<std::vector<ChunkLocation>> LocateNumbers(
      std::span<const std::uint64_t> numbers) = 0;

  // Sum of the bytes of these chunks.
  virtual absl::StatusOr<std::uint64_t> ReferencedBytes(std::span<const std::uint64_t> numbers) = 0;

  // Their bytes in `pack` are missing or wrong: the live and condemned ones that
  // still lie there become lost, so that the next backup uploads them again.
  virtual absl::Status MarkLost(const PackId& pack, std::span<const std::uint64_t> numbers) = 0;

  // Collection. Numbers without a row, or whose row is in another state than the
  // call is about, are left out silently; counts say how many rows changed.

  // At most `limit` rows with a number above `after`, by number.
  virtual absl::StatusOr<std::vector<ChunkRow>> Scan(std::uint64_t after, int limit) = 0;
  // The same of one state other than live.
  virtual absl::StatusOr<std::vector<ChunkRow>> ListNotLive(ChunkState state, std::uint64_t after,
                                                            int limit) = 0;
  // Every row that points into the pack, by offset.
  virtual absl::StatusOr<std::vector<ChunkLocation>> ListOfPack(const PackId& pack) = 0;
  // Reads every row.
  virtual absl::StatusOr<ChunkTotals> Totals() = 0;

  // Live -> condemned.
  virtual absl::StatusOr<std::uint64_t> Condemn(std::span<const std::uint64_t> numbers,
                                                std::uint64_t generation, absl::Time at) = 0;
  // Condemned or lost -> doomed.
  virtual absl::StatusOr<std::uint64_t> Doom(std::span<const std::uint64_t> numbers) = 0;
  // Moves those that are live or condemned and still lie in `from`, state kept.
  // kNotFound: no such pack.
  virtual absl::StatusOr<std::uint64_t> Repoint(const PackId& from, const PackId& to,
                                                std::span<const MovedChunk> chunks) = 0;
  // The doomed rows of the pack, with their owners.
  virtual absl::StatusOr<DeletedRows> DeleteRowsOfPack(const PackId& pack) = 0;
};

}  // namespace mooring::storage

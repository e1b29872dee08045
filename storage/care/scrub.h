// Scrubber: reads all that is stored, again and again, and believes nothing else.
//
// Pack by pack: every chunk against its id, size and footer against the catalog.
// Then the small objects: every live snapshot's commit record against its row,
// every key object against its slot. What is bad is healed from a good copy, or
// becomes lost and shows on every snapshot that it touches.
//
// The cursor is the time of the last scrub on each pack's row, so a scrub that
// is interrupted goes on where it was. New packs come first.

#pragma once

#include <cstdint>
#include <optional>

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"
#include "storage/care/healer.h"
#include "storage/care/pace.h"
#include "storage/care/pack_check.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/pack_store.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

struct ScrubOptions {
  std::uint64_t bytes_per_second = 0;  // 0: as fast as it goes.
  // Everything is read again within this time.
  absl::Duration every = absl::Hours(24 * 30);
  // Commit records and keys are compared again after this time.
  absl::Duration records_every = absl::Hours(24);
};

struct ScrubProgress {
  std::uint64_t packs_done = 0;
  std::uint64_t packs_left = 0;  // That were due when it began, less those done.
  std::uint64_t chunks = 0;
  std::uint64_t bytes = 0;
  std::uint64_t packs_bad = 0;
  std::uint64_t records_checked = 0;  // Commit records and key objects.
  std::uint64_t records_bad = 0;
  std::uint64_t records_healed = 0;
  std::uint64_t chunks_healed = 0;
  std::uint64_t chunks_lost = 0;  // Newly.
  bool is_complete = false;       // Nothing that is due is left.
};

// Thread-safe; two at once do the same work twice and no harm.
class Scrubber {
 public:
  struct Parts {
    Catalog& catalog;
    ObjectStore& objects;
    ObjectStore* replica = nullptr;
    const SecretBytes& pack_index_key;
    Clock& clock;
    Random& random;
  };
  Scrubber(const Parts& parts, const ScrubOptions& options);

  using Report = absl::FunctionRef<void(const ScrubProgress&)>;

  // Scrubs what is due, until `ctx` ends it: that is not an error, the next call
  // goes on. `all` begins a pass over everything, or goes on with one.
  absl::StatusOr<ScrubProgress> Run(const OpContext& ctx, bool all, Report report);

 private:
  absl::Status RunPacks(const OpContext& ctx, absl::Time before, ScrubProgress& progress,
                        Report report);
  absl::Status ScrubPack(const OpContext& ctx, const PackRecord& pack, Pace& pace,
                         ScrubProgress& progress);
  absl::StatusOr<absl::Time> BeginPass(const OpContext& ctx, bool all);
  absl::Status EndPass(const OpContext& ctx, bool records_checked);
  absl::Status ResolveHealed(const OpContext& ctx);
  absl::Status NotePack(const OpContext& ctx, const PackRecord& pack, const PackReport& found,
                        const HealOutcome& healed);

  const Parts parts_;
  const ScrubOptions options_;
  Healer healer_;
};

}  // namespace mooring::storage

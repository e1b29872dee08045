#include "storage/repository/session_pack_upload.h"

#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/pack_store.h"
#include "storage/objects/object_layout.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::storage {
namespace {

// Chunks of the organization's that one upload may claim between two Closes.
constexpr std::size_t kClaimsMax = 8192;

absl::Status CheckOpen(const std::optional<SessionRecord>& session) {
  if (session && session->state == v1::SESSION_STATE_OPEN) return absl::OkStatus();
  return absl::FailedPreconditionError("upload: the session is over");
}

}  // namespace

SessionPackUpload::SessionPackUpload(const Parts& parts, const SessionRecord& session,
                                     const Domains& domains)
    : parts_(parts),
      session_(session.id),
      device_(session.device),
      person_(session.person),
      domains_(domains),
      is_resumed_(session.new_bytes > 0),
      upload_(parts.registry.BeginUpload(session.id)) {}

std::uint64_t SessionPackUpload::open_bytes() const {
  return pack_ ? pack_->writer.size_bytes() : 0;
}

absl::Duration SessionPackUpload::open_for() const {
  return pack_ ? parts_.clock.Monotonic() - pack_->opened_at : absl::ZeroDuration();
}

absl::Status SessionPackUpload::CheckUsable() {
  if (has_failed_) {
    return absl::FailedPreconditionError("upload: an earlier call failed; open it anew");
  }
  if (!parts_.registry.IsCurrent(session_, upload_)) {
    return absl::AbortedError("upload: a newer upload of the session has taken over");
  }
  return absl::OkStatus();
}

absl::Status SessionPackUpload::Put(const OpContext& ctx, const DomainId& domain, ByteView sealed) {
  MOORING_RETURN_IF_ERROR(CheckUsable());
  if (domain != domains_.person && domain != domains_.organization) {
    return absl::InvalidArgumentError("upload: the domain is not the session's");
  }
  if (absl::Status form = CheckSealedChunk(sealed); !form.ok()) return Annotate(form, "upload");
  const ChunkId id = ChunkIdOf(sealed);
  absl::StatusOr<bool> is_there = IsThereAlready(ctx, domain, id);
  if (!is_there.ok()) return Fail(ctx, is_there.status());
  if (*is_there) {
    parts_.registry.NoteUploaded(session_, id);
    ++put_count_;
    return absl::OkStatus();
  }
  if (pack_ && !pack_->writer.has_room_for(sealed.size())) {
    if (absl::Status closed = ClosePack(ctx); !closed.ok()) return Fail(ctx, closed);
  }
  if (!pack_) {
    if (absl::Status opened = OpenNewPack(ctx); !opened.ok()) return Fail(ctx, opened);
  }
  const absl::Status added = pack_->writer.Add(id, domain, sealed, [this, &ctx](ByteView bytes) {
    return pack_->object->Append(ctx, bytes);
  });
  if (!added.ok()) return Fail(ctx, added);
  in_pack_.insert({domain, id});
  ++put_count_;
  return absl::OkStatus();
}

// The agent has asked FindChunks before, so a person's chunk is looked up again
// only where an earlier upload of this session may have stored it; what slips
// through is dead weight in a pack, no more. A chunk of the organization's is
// always looked up: each person sends it once, to show that they hold it, and
// only the first copy is kept.
absl::StatusOr<bool> SessionPackUpload::IsThereAlready(const OpContext& ctx, const DomainId& domain,
                                                       const ChunkId& id) {
  if (in_pack_.contains({domain, id})) return true;
  const bool is_shared = domain == domains_.organization;
  if (!is_shared && !is_resumed_) return false;
  bool is_live = false;
  MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto found,
                             tx.chunks().Locate(std::span(&domain, 1), std::span(&id, 1)));
    is_live = found.front() && found.front()->state == ChunkState::kLive;
    return absl::OkStatus();
  }));
  if (!is_live) return false;
  if (is_shared) {
    claims_.push_back(id);
    if (claims_.size() >= kClaimsMax) MOORING_RETURN_IF_ERROR(ClaimDuplicates(ctx));
  }
  return true;
}

absl::Status SessionPackUpload::OpenNewPack(const OpContext& ctx) {
  const PackId pack = PackId::Make(parts_.random);
  const absl::Time now = parts_.clock.Now();
  // Before the first byte: whoever finds the object can tell whose it is.
  const absl::Status staged = parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto session, tx.sessions().Get(session_, RowLock::kShared));
    MOORING_RETURN_IF_ERROR(CheckOpen(session));
    return tx.packs().Stage(pack, session_, now).status();
  });
  // In doubt, the row is there or not; a pack of another id is certain either way.
  MOORING_RETURN_IF_ERROR(staged);
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> object,
                           parts_.objects.NewObject(ctx, PackObjectKey(pack)));
  pack_.emplace(OpenPack{
      .writer = PackWriter(parts_.pack_index_key, parts_.random, pack, session_, device_, now),
      .object = std::move(object),
      .opened_at = parts_.clock.Monotonic()});
  return pack_->writer.Begin(
      [this, &ctx](ByteView bytes) { return pack_->object->Append(ctx, bytes); });
}

absl::Status SessionPackUpload::Close(const OpContext& ctx) {
  MOORING_RETURN_IF_ERROR(CheckUsable());
  if (pack_) {
    if (absl::Status closed = ClosePack(ctx); !closed.ok()) return Fail(ctx, closed);
  }
  if (absl::Status claimed = ClaimDuplicates(ctx); !claimed.ok()) return Fail(ctx, claimed);
  durable_count_ = put_count_;
  return absl::OkStatus();
}

absl::Status SessionPackUpload::ClosePack(const OpContext& ctx) {
  const auto sink = [this, &ctx](ByteView bytes) { return pack_->object->Append(ctx, bytes); };
  MOORING_ASSIGN_OR_RETURN(const Bytes sha256, pack_->writer.Finish(sink));
  MOORING_RETURN_IF_ERROR(pack_->object->Commit(ctx, absl::InfinitePast()));
  const PackFooter& footer = pack_->writer.footer();
  const std::uint64_t bytes = pack_->writer.size_bytes();
  // A store may say OK and have kept less.
  MOORING_ASSIGN_OR_RETURN(const ObjectInfo info,
                           parts_.objects.Stat(ctx, PackObjectKey(footer.pack)));
  if (info.size_bytes != bytes) {
    return absl::UnavailableError(fmt::format("pack {}: the store kept {} of {} bytes",
                                              footer.pack.hex(), info.size_bytes, bytes));
  }
  MOORING_RETURN_IF_ERROR(EnterPack(ctx, footer, bytes, sha256));
  pack_.reset();
  in_pack_.clear();
  return absl::OkStatus();
}

absl::Status SessionPackUpload::EnterPack(const OpContext& ctx, const PackFooter& footer,
                                          std::uint64_t pack_bytes, ByteView sha256) {
  std::vector<NewChunk> chunks;
  chunks.reserve(footer.entries.size());
  for (const PackEntry& entry : footer.entries) {
    chunks.push_back(NewChunk{
        .domain = entry.domain, .id = entry.id, .offset = entry.offset, .bytes = entry.bytes});
  }
  InsertOutcome outcome;
  const auto enter = [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto session, tx.sessions().Get(session_, RowLock::kExclusive));
    MOORING_RETURN_IF_ERROR(CheckOpen(session));
    MOORING_ASSIGN_OR_RETURN(const std::optional<PackRecord> pack, tx.packs().Get(footer.pack));
    if (pack && pack->state == PackState::kLive) return absl::OkStatus();  // It was not lost.
    MOORING_RETURN_IF_ERROR(tx.packs().MarkLive(footer.pack, pack_bytes, sha256));
    MOORING_ASSIGN_OR_RETURN(outcome, tx.chunks().Insert(footer.pack, person_, chunks));
    return tx.sessions().AddNewBytes(session_, outcome.new_bytes);
  };
  pack_->was_entered = true;
  absl::Status entered = parts_.catalog.Run(ctx, enter);
  // The session's row is locked first, so a commit in doubt is over before this looks.
  for (int i = 0; i < 3 && absl::IsUnknown(entered); ++i) entered = parts_.catalog.Run(ctx, enter);
  MOORING_RETURN_IF_ERROR(entered);
  new_bytes_ += outcome.new_bytes;
  if (outcome.kept > 0) {
    for (const NewChunk& chunk : chunks) parts_.registry.NoteUploaded(session_, chunk.id);
  }
  return absl::OkStatus();
}

absl::Status SessionPackUpload::ClaimDuplicates(const OpContext& ctx) {
  if (claims_.empty()) return absl::OkStatus();
  // Repeating it does no harm, so an unknown outcome is an error like others.
  MOORING_RETURN_IF_ERROR(parts_.catalog.Run(ctx, [this](Transaction& tx) {
    return tx.chunks().AddOwner(person_, domains_.organization, claims_);
  }));
  claims_.clear();
  return absl::OkStatus();
}

absl::Status SessionPackUpload::Fail(const OpContext& ctx, absl::Status why) {
  has_failed_ = true;
  if (pack_) {
    const PackId pack = pack_->writer.footer().pack;
    const bool was_entered = pack_->was_entered;
    pack_->object.reset();
    pack_.reset();
    // Once the catalog was asked to enter it, "staged" may be what a standby that
    // lagged still says of a pack that others stand on: the collector's to judge.
    if (was_entered) return why;
    // Best effort: what stays is staged for a session that will be over, and
    // swept then. A pack whose row went live meanwhile is left alone.
    bool is_staged = false;
    const absl::Status looked = parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(const auto session,
                               tx.sessions().Get(session_, RowLock::kExclusive));
      MOORING_ASSIGN_OR_RETURN(const std::optional<PackRecord> record, tx.packs().Get(pack));
      is_staged = record && record->state == PackState::kStaged;
      return absl::OkStatus();
    });
    if (looked.ok() && is_staged && parts_.objects.Remove(ctx, PackObjectKey(pack)).ok()) {
      parts_.catalog.Run(ctx, [&](Transaction& tx) { return tx.packs().Discard(pack); })
          .IgnoreError();
    }
  }
  return why;
}

}  // namespace mooring::storage

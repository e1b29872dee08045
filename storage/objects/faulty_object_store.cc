#include "storage/objects/faulty_object_store.h"

#include <utility>

#include "storage/base/status.h"

namespace mooring::storage {
namespace {

absl::Status Injected(absl::StatusCode code, absl::string_view when) {
  std::string message = "injected fault ";
  message.append(when.data(), when.size());
  return absl::Status(code, message);
}

}  // namespace

// Wraps the inner writer. It keeps the bytes as well: a short store replaces
// the inner object's body by half of it.
class FaultyObjectStore::Writer final : public ObjectWriter {
 public:
  Writer(FaultyObjectStore& store, std::string key, std::unique_ptr<ObjectWriter> inner)
      : store_(store), key_(std::move(key)), inner_(std::move(inner)) {}

  absl::Status Append(const OpContext& ctx, ByteView bytes) override {
    const std::optional<Planned> planned = store_.NextCall();
    if (planned && planned->fault != ObjectFault::kFailAfter) {
      return Injected(planned->code, "before append");
    }
    MOORING_RETURN_IF_ERROR(store_.TakeSpace(bytes.size()));
    MOORING_RETURN_IF_ERROR(inner_->Append(ctx, bytes));
    mooring::Append(body_, bytes);
    return planned ? Injected(planned->code, "after append") : absl::OkStatus();
  }

  absl::Status Commit(const OpContext& ctx, absl::Time locked_until) override {
    const std::optional<Planned> planned = store_.NextCall();
    if (!planned) return inner_->Commit(ctx, locked_until);
    switch (planned->fault) {
      case ObjectFault::kShortStore:
        inner_.reset();
        return store_.inner_.Put(ctx, key_, ByteView(body_).first(body_.size() / 2), locked_until);
      case ObjectFault::kFailAfter:
        MOORING_RETURN_IF_ERROR(inner_->Commit(ctx, locked_until));
        return Injected(planned->code, "after commit");
      case ObjectFault::kFailBefore:
      case ObjectFault::kFlipByte:
        break;
    }
    return Injected(planned->code, "before commit");
  }

 private:
  FaultyObjectStore& store_;
  const std::string key_;
  std::unique_ptr<ObjectWriter> inner_;
  Bytes body_;
};

void FaultyObjectStore::FailCall(std::uint64_t n, ObjectFault fault, absl::StatusCode code) {
  MutexLock lock(mutex_);
  plan_[calls_ + n] = Planned{.fault = fault, .code = code};
}

void FaultyObjectStore::FailAtRandom(Random& random, unsigned per_mille) {
  MutexLock lock(mutex_);
  random_ = &random;
  per_mille_ = per_mille;
}

void FaultyObjectStore::LimitSpace(std::optional<std::uint64_t> bytes) {
  MutexLock lock(mutex_);
  space_bytes_ = bytes;
}

void FaultyObjectStore::Heal() {
  MutexLock lock(mutex_);
  plan_.clear();
  per_mille_ = 0;
  space_bytes_.reset();
}

std::uint64_t FaultyObjectStore::calls() const {
  MutexLock lock(mutex_);
  return calls_;
}

std::uint64_t FaultyObjectStore::faults() const {
  MutexLock lock(mutex_);
  return faults_;
}

std::optional<FaultyObjectStore::Planned> FaultyObjectStore::NextCall() {
  MutexLock lock(mutex_);
  ++calls_;
  std::optional<Planned> planned;
  if (const auto found = plan_.find(calls_); found != plan_.end()) {
    planned = found->second;
    plan_.erase(found);
  } else if (per_mille_ > 0 && random_->Below(1000) < per_mille_) {
    const bool after = random_->Below(2) == 1;
    planned = Planned{.fault = after ? ObjectFault::kFailAfter : ObjectFault::kFailBefore,
                      .code = absl::StatusCode::kUnavailable};
  }
  if (planned) ++faults_;
  return planned;
}

absl::Status FaultyObjectStore::TakeSpace(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  if (!space_bytes_) return absl::OkStatus();
  if (bytes > *space_bytes_) {
    ++faults_;
    return absl::ResourceExhaustedError("injected fault: no space left on device");
  }
  *space_bytes_ -= bytes;
  return absl::OkStatus();
}

absl::Status FaultyObjectStore::Put(const OpContext& ctx, std::string_view key, ByteView body,
                                    absl::Time locked_until) {
  const std::optional<Planned> planned = NextCall();
  if (planned && planned->fault == ObjectFault::kShortStore) {
    return inner_.Put(ctx, key, body.first(body.size() / 2), locked_until);
  }
  if (planned && planned->fault != ObjectFault::kFailAfter) {
    return Injected(planned->code, "before put");
  }
  MOORING_RETURN_IF_ERROR(TakeSpace(body.size()));
  MOORING_RETURN_IF_ERROR(inner_.Put(ctx, key, body, locked_until));
  return planned ? Injected(planned->code, "after put") : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> FaultyObjectStore::NewObject(const OpContext& ctx,
                                                                           std::string_view key) {
  // A writer that nobody gets has no effect, so after is as before.
  if (const std::optional<Planned> planned = NextCall()) {
    return Injected(planned->code, "before a new object");
  }
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer, inner_.NewObject(ctx, key));
  return std::make_unique<Writer>(*this, std::string(key), std::move(writer));
}

absl::StatusOr<std::size_t> FaultyObjectStore::ReadAt(const OpContext& ctx, std::string_view key,
                                                      std::uint64_t offset_bytes,
                                                      std::span<std::byte> out) {
  const std::optional<Planned> planned = NextCall();
  if (planned && planned->fault != ObjectFault::kFlipByte) {
    return Injected(planned->code, "of a read");
  }
  MOORING_ASSIGN_OR_RETURN(const std::size_t read, inner_.ReadAt(ctx, key, offset_bytes, out));
  if (planned && read > 0) out[read / 2] ^= std::byte{0x01};
  return read;
}

absl::StatusOr<ObjectInfo> FaultyObjectStore::Stat(const OpContext& ctx, std::string_view key) {
  if (const std::optional<Planned> planned = NextCall()) {
    return Injected(planned->code, "of a stat");
  }
  return inner_.Stat(ctx, key);
}

absl::Status FaultyObjectStore::List(const OpContext& ctx, std::string_view prefix,
                                     absl::FunctionRef<absl::Status(const ObjectInfo&)> visit) {
  if (const std::optional<Planned> planned = NextCall()) {
    return Injected(planned->code, "of a list");
  }
  return inner_.List(ctx, prefix, visit);
}

absl::Status FaultyObjectStore::Remove(const OpContext& ctx, std::string_view key) {
  const std::optional<Planned> planned = NextCall();
  if (planned && planned->fault != ObjectFault::kFailAfter) {
    return Injected(planned->code, "before remove");
  }
  MOORING_RETURN_IF_ERROR(inner_.Remove(ctx, key));
  return planned ? Injected(planned->code, "after remove") : absl::OkStatus();
}

absl::Status FaultyObjectStore::ExtendLock(const OpContext& ctx, std::string_view key,
                                           absl::Time locked_until) {
  const std::optional<Planned> planned = NextCall();
  if (planned && planned->fault != ObjectFault::kFailAfter) {
    return Injected(planned->code, "before a lock");
  }
  MOORING_RETURN_IF_ERROR(inner_.ExtendLock(ctx, key, locked_until));
  return planned ? Injected(planned->code, "after a lock") : absl::OkStatus();
}

absl::StatusOr<SpaceInfo> FaultyObjectStore::Space(const OpContext& ctx) {
  if (const std::optional<Planned> planned = NextCall()) {
    return Injected(planned->code, "of a space question");
  }
  return inner_.Space(ctx);
}

}  // namespace mooring::storage

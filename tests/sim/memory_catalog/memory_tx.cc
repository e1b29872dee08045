#include "tests/sim/memory_catalog/memory_tx.h"

#include <algorithm>

#include "storage/base/check.h"
#include "storage/base/status.h"

namespace mooring::testing {
namespace {

// More transactions in a ring than there can be at once.
constexpr int kRingMax = 64;

TxId Enter(TxGround& ground) {
  const MutexLock lock(ground.mutex);
  ++ground.open;
  return ++ground.last_id;
}

}  // namespace

std::vector<TxId> HeldRow::Blockers(TxId me, bool want_exclusive) const {
  std::vector<TxId> blockers;
  if (exclusive != 0 && exclusive != me) blockers.push_back(exclusive);
  if (want_exclusive) {
    std::copy_if(sharers_.begin(), sharers_.end(), std::back_inserter(blockers),
                 [me](TxId sharer) { return sharer != me; });
  }
  return blockers;
}

void HeldRow::Take(MemoryTx& tx, bool want_exclusive) {
  const bool is_sharer = std::count(sharers_.begin(), sharers_.end(), tx.id()) > 0;
  if (exclusive == tx.id()) return;
  if (!is_sharer) tx.Hold(*this);
  if (want_exclusive) {
    exclusive = tx.id();
  } else if (!is_sharer) {
    sharers_.push_back(tx.id());
  }
}

void HeldRow::Release(TxId tx) {
  if (exclusive == tx) exclusive = 0;
  sharers_.erase(std::remove(sharers_.begin(), sharers_.end(), tx), sharers_.end());
}

MemoryTx::MemoryTx(TxGround& ground, Turns& turns, const OpContext& ctx)
    : ground_(ground), turns_(turns), ctx_(ctx), id_(Enter(ground)) {}

MemoryTx::~MemoryTx() {
  End(false);
}

absl::Status MemoryTx::Fail(const absl::Status& status) {
  if (failure_.ok()) failure_ = status;
  return status;
}

absl::Status MemoryTx::CheckTexts(std::initializer_list<std::string_view> texts) {
  for (const std::string_view text : texts) {
    if (text.find('\0') != std::string_view::npos) {
      return Fail(absl::InvalidArgumentError("database: a text holds a NUL character"));
    }
  }
  return absl::OkStatus();
}

absl::Status MemoryTx::CheckUsable() {
  if (!failure_.ok()) return failure_;
  if (ctx_.stop.stop_requested()) return Fail(absl::CancelledError("database: stopped"));
  if (ground_.clock->Now() >= ctx_.deadline) {
    return Fail(absl::DeadlineExceededError("database: no time left"));
  }
  return absl::OkStatus();
}

bool MemoryTx::IsWaitedForBy(TxId other, int depth) const {
  if (other == id_) return true;
  const auto found = ground_.waiting.find(other);
  if (found == ground_.waiting.end() || depth >= kRingMax) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [this, depth](TxId next) { return IsWaitedForBy(next, depth + 1); });
}

absl::Status MemoryTx::WaitFor(const std::vector<TxId>& blockers) {
  for (const TxId blocker : blockers) {
    if (IsWaitedForBy(blocker, 0)) {
      return Fail(absl::AbortedError("database: deadlock detected (SQLSTATE 40P01)"));
    }
  }
  ground_.waiting[id_] = blockers;
  turns_.WaitForOthers(ground_.mutex, ctx_.stop);
  ground_.waiting.erase(id_);
  return CheckUsable();
}

absl::Status MemoryTx::TakeNamed(NamedLock& lock, bool exclusive) {
  while (true) {
    const std::vector<TxId> blockers = lock.Blockers(id_, exclusive);
    if (blockers.empty()) {
      lock.Take(*this, exclusive);
      return absl::OkStatus();
    }
    MOORING_RETURN_IF_ERROR(WaitFor(blockers));
  }
}

void MemoryTx::End(bool commit) {
  if (ended_) return;
  ended_ = true;
  const MutexLock lock(ground_.mutex);
  MOORING_CHECK(!commit || failure_.ok());
  for (HeldRow* const row : held_) row->End(id_, commit);
  held_.clear();
  --ground_.open;
  turns_.WakeOthers();
}

Statement::Statement(MemoryTx& tx) : tx_(tx) {
  const absl::Status turn = tx.turns_.BeforeStatement();
  tx.ground_.mutex.Lock();
  status_ = tx.CheckUsable();
  if (status_.ok() && !turn.ok()) status_ = tx.Fail(turn);
  ++tx.statements_;
}

Statement::~Statement() {
  tx_.ground_.mutex.Unlock();
}

}  // namespace mooring::testing

// Key slots in memory. Not final: planted bugs override what they break.

#pragma once

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {

class MemoryKeyStore : public storage::KeyStore {
 public:
  MemoryKeyStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::Status Create(const storage::KeySlot& slot) override {
    MOORING_STATEMENT(tx_);
    if (slot.subject.size() != 16) return tx_.Fail(Violates("key_slot.subject has 16 bytes"));
    MOORING_ASSIGN_OR_RETURN(const bool done,
                             t_.key_slot.Insert(tx_, KeyOf(slot.purpose, slot.subject), slot));
    return done ? absl::OkStatus() : absl::AlreadyExistsError("the key slot is taken");
  }

  absl::StatusOr<std::optional<storage::KeySlot>> Get(storage::KeyPurpose purpose,
                                                      ByteView subject) override {
    MOORING_STATEMENT(tx_);
    return Copy(t_.key_slot.Get(tx_, KeyOf(purpose, subject)));
  }

  absl::StatusOr<std::vector<storage::KeySlot>> List(storage::KeyPurpose purpose) override {
    MOORING_STATEMENT(tx_);
    return Rows(tx_, t_.key_slot,
                [purpose](const storage::KeySlot& slot) { return slot.purpose == purpose; });
  }

  absl::Status Delete(storage::KeyPurpose purpose, ByteView subject) override {
    MOORING_STATEMENT(tx_);
    return t_.key_slot.Erase(tx_, KeyOf(purpose, subject)).status();
  }

 private:
  static std::pair<int, Bytes> KeyOf(storage::KeyPurpose purpose, ByteView subject) {
    return {static_cast<int>(purpose), Owned(subject)};
  }

  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace mooring::testing

// RowLock: how a read holds the row it returns until the transaction ends.

#pragma once

namespace mooring::storage {

enum class RowLock {
  kNone,
  kShared,     // FOR SHARE: nobody changes it meanwhile.
  kExclusive,  // FOR UPDATE: nobody else locks or changes it meanwhile.
};

}  // namespace mooring::storage

#include "tests/contract/storage/objects/object_store_contract.h"

#include "storage/objects/disk_object_store.h"
#include "storage/objects/faulty_object_store.h"
#include "storage/objects/memory_object_store.h"
#include "tests/support/subprocess.h"

namespace mooring::storage {
namespace {

class DiskFixture {
 public:
  DiskFixture()
      : clock_(absl::Now()),
        store_(*DiskObjectStore::Open(RealFileSystem(), clock_, random_, dir_.path() + "/r")) {}
  ObjectStore& store() { return *store_; }
  ManualClock& clock() { return clock_; }

 private:
  testing::TempDir dir_;
  ManualClock clock_;
  SystemRandom random_;
  std::unique_ptr<DiskObjectStore> store_;
};

class MemoryFixture {
 public:
  ObjectStore& store() { return store_; }
  ManualClock& clock() { return clock_; }

 private:
  ManualClock clock_{absl::Now()};
  MemoryObjectStore store_{clock_};
};

class FaultlessFixture {
 public:
  ObjectStore& store() { return store_; }
  ManualClock& clock() { return clock_; }

 private:
  ManualClock clock_{absl::Now()};
  MemoryObjectStore memory_{clock_};
  FaultyObjectStore store_{memory_};
};

INSTANTIATE_TYPED_TEST_SUITE_P(Disk, ObjectStoreContract, DiskFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, ObjectStoreContract, MemoryFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Faulty, ObjectStoreContract, FaultlessFixture);

}  // namespace
}  // namespace mooring::storage

#include "storage/objects/object_layout.h"

#include <gtest/gtest.h>

#include "storage/objects/object_store.h"

namespace mooring::storage {
namespace {

TEST(ObjectLayoutTest, KeysAreAsDocumentedAndAcceptedByEveryStore) {
  const PackId pack = *PackId::FromHex("abcdef00112233445566778899aabbcc");
  const SnapshotId snapshot = *SnapshotId::FromHex("00112233445566778899aabbccddeeff");
  const PersonId person = *PersonId::FromHex("ffeeddccbbaa99887766554433221100");
  EXPECT_EQ(PackObjectKey(pack), "packs/ab/abcdef00112233445566778899aabbcc");
  EXPECT_EQ(CommitRecordObjectKey(snapshot), "snapshots/00112233445566778899aabbccddeeff.commit");
  EXPECT_EQ(TombstoneObjectKey(snapshot), "snapshots/00112233445566778899aabbccddeeff.gone");
  EXPECT_EQ(SnapshotKeyObjectKey(snapshot), "keys/snapshot/00112233445566778899aabbccddeeff");
  EXPECT_EQ(PersonKeyObjectKey(person), "keys/person/ffeeddccbbaa99887766554433221100");
  for (const std::string& key :
       {PackObjectKey(pack), CommitRecordObjectKey(snapshot), TombstoneObjectKey(snapshot),
        SnapshotKeyObjectKey(snapshot), PersonKeyObjectKey(person),
        std::string(kRepositoryObjectKey), std::string(kOrganizationKeyObjectKey),
        std::string(kPackIndexKeyObjectKey)}) {
    EXPECT_TRUE(CheckObjectKey(key).ok()) << key;
  }
}

TEST(ObjectLayoutTest, KeysGiveTheirIdsBackAndNothingElseDoes) {
  const PackId pack = *PackId::FromHex("abcdef00112233445566778899aabbcc");
  const SnapshotId snapshot = *SnapshotId::FromHex("00112233445566778899aabbccddeeff");
  EXPECT_EQ(PackOfObjectKey(PackObjectKey(pack)), pack);
  EXPECT_EQ(CommitRecordOfObjectKey(CommitRecordObjectKey(snapshot)), snapshot);
  EXPECT_EQ(TombstoneOfObjectKey(TombstoneObjectKey(snapshot)), snapshot);
  EXPECT_EQ(SnapshotKeyOfObjectKey(SnapshotKeyObjectKey(snapshot)), snapshot);
  EXPECT_FALSE(PackOfObjectKey("packs/00/abcdef00112233445566778899aabbcc"));
  EXPECT_FALSE(PackOfObjectKey("packs/ab/ABCDEF00112233445566778899aabbcc"));
  EXPECT_FALSE(PackOfObjectKey("packs/ab/abcdef00112233445566778899aabbcc.x"));
  EXPECT_FALSE(PackOfObjectKey("packs/"));
  EXPECT_FALSE(CommitRecordOfObjectKey(TombstoneObjectKey(snapshot)));
  EXPECT_FALSE(TombstoneOfObjectKey(CommitRecordObjectKey(snapshot)));
  EXPECT_FALSE(SnapshotKeyOfObjectKey("keys/person/00112233445566778899aabbccddeeff"));
}

}  // namespace
}  // namespace mooring::storage

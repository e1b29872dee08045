// Planted content, names and keys are searched for in the repository's
// directory and in every table, and not found.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <libpq-fe.h>

#include "storage/objects/disk_object_store.h"
#include "tests/integration/storage/repository/repository_fixture.h"

namespace mooring::testing {
namespace {

namespace fs = std::filesystem;

constexpr char kMarker[] = "PLANTED-CONTENT-7d1f";
constexpr char kPathMarker[] = "PLANTED-PATH-33ab";

class RepositoryLeakTest : public RepositoryTest {
 protected:
  std::string root() const { return directory_.path() + "/repository"; }

  std::string AllObjects() {
    std::string all;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root())) {
      all += entry.path().string() + "\n";
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      std::stringstream text;
      text << file.rdbuf();
      all += text.str();
    }
    return all;
  }

  // Every table as COPY writes it: bytea in hexadecimal, all else as text.
  std::string AllTables() {
    PGconn* const connection = PQconnectdb(url().c_str());
    EXPECT_EQ(PQstatus(connection), CONNECTION_OK) << PQerrorMessage(connection);
    PGresult* const tables = PQexec(
        connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1");
    std::string all;
    for (int i = 0; i < PQntuples(tables); ++i) {
      const std::string table = PQgetvalue(tables, i, 0);
      all += "table " + table + "\n";
      PGresult* const copy = PQexec(connection, ("COPY \"" + table + "\" TO STDOUT").c_str());
      EXPECT_EQ(PQresultStatus(copy), PGRES_COPY_OUT) << table;
      char* line = nullptr;
      while (true) {
        const int length = PQgetCopyData(connection, &line, 0);
        if (length <= 0) break;
        all.append(line, static_cast<std::size_t>(length));
        PQfreemem(line);
      }
      PQclear(copy);
      PQclear(PQgetResult(connection));
    }
    PQclear(tables);
    PQfinish(connection);
    return all;
  }
};

bool Holds(const std::string& haystack, std::string_view needle) {
  return haystack.find(needle) != std::string::npos;
}

TEST_F(RepositoryLeakTest, NeitherContentNorNamesNorKeysAreAtRest) {
  auto disk = storage::DiskObjectStore::Open(RealFileSystem(), time_, system_random_, root());
  ASSERT_TRUE(disk.ok()) << disk.status();
  // The repository moves to a disk.
  for (const std::string& key : Keys("")) {
    Bytes body(memory_.Stat({}, key)->size_bytes);
    ASSERT_TRUE(memory_.ReadAt({}, key, 0, body).ok());
    ASSERT_TRUE((*disk)->Put({}, key, body, absl::InfinitePast()).ok());
  }
  auto on_disk =
      storage::Repository::Open({}, *faulty_catalog_, **disk, *kek_, time_, system_random_);
  ASSERT_TRUE(on_disk.ok()) << on_disk.status();
  repository_ = *std::move(on_disk);

  // Amid bytes that do not compress, so that only the seal can hide it; and as plain text.
  const Files files = {
      {std::string("full/ab/") + kPathMarker,
       SyntheticContent(3, 50'000) + kMarker + SyntheticContent(4, 50'000)},
      {"full/cd/text", std::string(kMarker) + " in a text"},
      {std::string("apps/") + kPathMarker, SyntheticContent(6, 1000) + kMarker},
  };
  const auto session = Begin(phone_, desk_);
  ASSERT_TRUE(session.ok()) << session.status();
  const SealedTree tree = *SealFiles(*session, files, time_, system_random_);
  ASSERT_TRUE(UploadTree(repository(), {}, *session, desk_, tree).ok());
  ASSERT_TRUE(repository().Commit({}, desk_, tree.request)->receipt);
  EXPECT_TRUE(*ReadSnapshot(repository(), {}, session->snapshot) == files);

  const std::string objects = AllObjects();
  const std::string tables = AllTables();
  // The search can find: what is meant to be there is there.
  EXPECT_TRUE(Holds(objects, "MOORREPO"));
  EXPECT_TRUE(Holds(objects, AsText(tree.chunks.front().chunk.bytes)));
  EXPECT_TRUE(Holds(tables, "PHONE-1"));
  EXPECT_TRUE(Holds(tables, tree.chunks.front().chunk.id.hex()));

  std::vector<std::pair<std::string, Bytes>> secrets = {
      {"content", ToBytes(kMarker)},
      {"path", ToBytes(kPathMarker)},
      {"snapshot key",
       Bytes(session->snapshot_key.view().begin(), session->snapshot_key.view().end())},
  };
  for (const storage::DomainKeys* keys : {&session->person_domain, &session->organization_domain}) {
    secrets.emplace_back("domain secret", Bytes(keys->domain_secret.view().begin(),
                                                keys->domain_secret.view().end()));
    secrets.emplace_back("chunker secret", Bytes(keys->chunker_secret.view().begin(),
                                                 keys->chunker_secret.view().end()));
  }
  for (const SealedForDomain& sealed : tree.chunks) {
    secrets.emplace_back("chunk key",
                         Bytes(sealed.chunk.key.view().begin(), sealed.chunk.key.view().end()));
  }
  for (const auto& [name, secret] : secrets) {
    for (const std::string& place : {objects, tables}) {
      EXPECT_FALSE(Holds(place, AsText(secret))) << name;
      EXPECT_FALSE(Holds(place, ToHex(secret))) << name;
      EXPECT_FALSE(Holds(place, ToBase64Url(secret))) << name;
    }
  }
}

TEST_F(RepositoryLeakTest, ADeletedSnapshotsKeyIsNowhere) {
  const v1::Receipt receipt = BackUp(phone_, desk_, files_);
  const SnapshotId id = SnapshotOf(receipt);
  Bytes wrapped(memory_.Stat({}, "keys/snapshot/" + id.hex())->size_bytes);
  ASSERT_TRUE(memory_.ReadAt({}, "keys/snapshot/" + id.hex(), 0, wrapped).ok());
  EXPECT_TRUE(Holds(AllTables(), ToHex(wrapped)));
  ASSERT_TRUE(repository().Delete({}, id, "account:root", "a test").ok());
  EXPECT_FALSE(Holds(AllTables(), ToHex(wrapped))) << "a row still holds the key";
  for (const std::string& key : Keys("")) {
    Bytes body(memory_.Stat({}, key)->size_bytes);
    ASSERT_TRUE(memory_.ReadAt({}, key, 0, body).ok());
    EXPECT_FALSE(Holds(ToString(body), AsText(wrapped))) << key;
  }
}

}  // namespace
}  // namespace mooring::testing

#include "tests/phones/iphone/file_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tests/phones/common/dice.h"

namespace mooring::testing {
namespace {

constexpr std::int64_t kFirstUseUnix = 1'700'000'000;
constexpr std::uint16_t kFileMode = 0100644;
constexpr std::uint16_t kDirectoryMode = 0040755;
constexpr std::uint16_t kSymlinkMode = 0120755;
constexpr std::uint64_t kMarkedBytesMin = 8192;

FileEntry MakeFile(FileTable& table, Dice& dice, ContentKind kind, std::uint64_t size_bytes) {
  FileEntry entry;
  entry.mode = kFileMode;
  entry.inode = table.next_inode();
  entry.modified_unix = kFirstUseUnix + static_cast<std::int64_t>(dice.Below(30'000'000));
  entry.content = {.seed = dice.Next(), .size_bytes = size_bytes, .kind = kind};
  return entry;
}

// What every phone has, in the places where a real one has it.
void AddSystemFiles(FileTable& table, Dice& dice) {
  const std::array<std::tuple<const char*, const char*, ContentKind, std::uint64_t>, 10> files = {{
      {"HomeDomain", "Library/SMS/sms.db", ContentKind::kDatabase, 405'504},
      {"HomeDomain", "Library/AddressBook/AddressBook.sqlitedb", ContentKind::kDatabase, 188'416},
      {"HomeDomain", "Library/AddressBook/AddressBookImages.sqlitedb", ContentKind::kDatabase,
       69'632},
      {"HomeDomain", "Library/Calendar/Calendar.sqlitedb", ContentKind::kDatabase, 122'880},
      {"HomeDomain", "Library/Preferences/com.apple.springboard.plist", ContentKind::kText, 3'411},
      {"HomeDomain", "Library/Preferences/com.apple.empty.plist", ContentKind::kText, 0},
      {"AppDomainGroup-group.com.apple.notes", "NoteStore.sqlite", ContentKind::kDatabase, 237'568},
      {"CameraRollDomain", "Media/PhotoData/Photos.sqlite", ContentKind::kDatabase, 311'296},
      {"SystemPreferencesDomain", "SystemConfiguration/preferences.plist", ContentKind::kText,
       9'800},
      {"WirelessDomain", "Library/Databases/CellularUsage.db", ContentKind::kDatabase, 28'672},
  }};
  for (const auto& [domain, path, kind, size] : files) {
    table.Put({domain, path}, MakeFile(table, dice, kind, size));
  }
  FileEntry link;
  link.kind = FileEntry::Kind::kSymlink;
  link.mode = kSymlinkMode;
  link.inode = table.next_inode();
  link.modified_unix = kFirstUseUnix;
  link.target = "../SMS/sms.db";
  table.Put({"HomeDomain", "Library/Recents/latest-messages"}, std::move(link));
}

void AddSensitiveFiles(FileTable& table, Dice& dice) {
  for (const auto& [domain, path] :
       {std::pair("KeychainDomain", "keychain-backup.plist"),
        std::pair("HealthDomain", "Health/healthdb.sqlite"),
        std::pair("HomeDomain", "Library/CallHistoryDB/CallHistory.storedata")}) {
    FileEntry entry = MakeFile(table, dice, ContentKind::kDatabase, 49'152);
    entry.encrypted_only = true;
    entry.protection_class = 1;
    table.Put({domain, path}, std::move(entry));
  }
}

// Names that break code which thinks in ASCII, in C strings or in SQL.
void AddAwkwardNames(FileTable& table, Dice& dice, const std::string& marker) {
  const std::string app = "AppDomain-com.example.chat";
  for (const char* name :
       {"Documents/Grüße aus Köln.txt", "Documents/日本語/メモ.txt", "Documents/😀 party 🎉.jpg",
        "Documents/it's \"quoted\" & <tagged>.txt", "Documents/e\u0301 combining.txt",
        "Documents/ leading and trailing ", "Documents/.hidden", "Documents/percent %s %n %2F.txt",
        "Documents/back\\slash.txt"}) {
    table.Put({app, name}, MakeFile(table, dice, ContentKind::kText, 100 + dice.Below(4000)));
  }
  if (marker.empty()) return;
  for (const char* path : {"Documents/{}.txt", "Library/{}/notes.db", "Documents/{}.jpg"}) {
    FileEntry entry =
        MakeFile(table, dice, ContentKind::kText, kMarkedBytesMin + dice.Below(99999));
    entry.content.has_marker = true;
    table.Put({app, fmt::format(fmt::runtime(path), marker)}, std::move(entry));
  }
}

// Photos are a quarter of the files and most of the bytes; the rest belongs to apps.
struct Planned {
  FileName name;
  ContentKind kind;
  double weight;
};

Planned PlanFile(std::size_t index, Dice& dice) {
  const double spread = std::exp2(static_cast<double>(dice.Below(400)) / 100.0);  // 1 to 16.
  if (index % 4 == 0) {
    const std::size_t number = index / 4;
    const bool movie = dice.Below(20) == 0;
    return {{"CameraRollDomain", fmt::format("Media/DCIM/{}APPLE/IMG_{:04}.{}", 100 + number / 1000,
                                             number % 1000, movie ? "MOV" : "JPG")},
            movie ? ContentKind::kMovie : ContentKind::kJpeg,
            spread * (movie ? 120.0 : 20.0)};
  }
  static constexpr std::array<const char*, 6> kApps = {"chat", "mail",  "maps",
                                                       "bank", "games", "office"};
  const std::string domain = fmt::format("AppDomain-com.example.{}", kApps[dice.Below(6)]);
  const bool database = dice.Below(5) == 0;
  const std::string path =
      fmt::format("{}/{:03}/{}-{:06}.{}", database ? "Library/Stores" : "Documents", index / 200,
                  database ? "store" : "item", index, database ? "sqlite" : "dat");
  const bool empty = dice.Below(64) == 0;
  return {{domain, path},
          database ? ContentKind::kDatabase : ContentKind::kText,
          empty ? 0.0 : spread * (database ? 6.0 : 1.0)};
}

void AddBulk(FileTable& table, Dice& dice, std::size_t files, std::uint64_t bytes) {
  std::vector<Planned> plan;
  plan.reserve(files);
  double weight = 0;
  for (std::size_t i = 0; i < files; ++i) {
    plan.push_back(PlanFile(i, dice));
    weight += plan.back().weight;
  }
  for (Planned& planned : plan) {
    const double size = static_cast<double>(bytes) * planned.weight / std::max(weight, 1.0);
    FileEntry entry = MakeFile(table, dice, planned.kind, static_cast<std::uint64_t>(size));
    table.Put(std::move(planned.name), std::move(entry));
  }
}

}  // namespace

std::string FileIdOf(const FileName& name) {
  return HexOf(Sha1(name.domain + "-" + name.path));
}

const FileEntry* FileTable::Find(const FileName& name) const {
  const auto found = files_.find(name);
  return found == files_.end() ? nullptr : &found->second;
}

void FileTable::Put(FileName name, FileEntry entry) {
  for (std::size_t slash = name.path.find('/'); slash != std::string::npos;
       slash = name.path.find('/', slash + 1)) {
    FileEntry directory;
    directory.kind = FileEntry::Kind::kDirectory;
    directory.mode = kDirectoryMode;
    directory.modified_unix = kFirstUseUnix;
    const auto [at, fresh] =
        files_.try_emplace({name.domain, name.path.substr(0, slash)}, std::move(directory));
    if (fresh) at->second.inode = next_inode();
  }
  files_.insert_or_assign(std::move(name), std::move(entry));
}

std::uint64_t FileTable::content_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [name, entry] : files_) bytes += entry.content.size_bytes;
  return bytes;
}

FileTable MakePhoneContent(const PhoneContentOptions& options) {
  FileTable table;
  Dice dice(Scramble(options.seed));
  if (options.empty) {
    table.Put({"HomeDomain", "Library/Preferences/com.apple.springboard.plist"},
              MakeFile(table, dice, ContentKind::kText, 2'048));
    return table;
  }
  AddSystemFiles(table, dice);
  AddAwkwardNames(table, dice, options.marker);
  if (options.sensitive) AddSensitiveFiles(table, dice);
  const std::uint64_t bytes = table.content_bytes();
  const std::size_t files = table.files().size();
  AddBulk(table, dice, options.files > files ? options.files - files : 1,
          options.bytes > bytes ? options.bytes - bytes : 4096);
  return table;
}

MutationResult MutatePhoneContent(FileTable& table, std::uint64_t round,
                                  const MutationOptions& options) {
  MutationResult result;
  Dice dice(Scramble(round) ^ table.files().size());
  const FileName messages{"HomeDomain", "Library/SMS/sms.db"};
  std::vector<FileName> candidates;
  std::int64_t newest = kFirstUseUnix;
  for (const auto& [name, entry] : table.files()) {
    newest = std::max(newest, entry.modified_unix);
    if (entry.kind == FileEntry::Kind::kFile && name != messages) candidates.push_back(name);
  }
  const auto take = [&]() {
    const std::size_t at = dice.Below(candidates.size());
    FileName name = std::move(candidates[at]);
    candidates[at] = std::move(candidates.back());
    candidates.pop_back();
    return name;
  };
  const auto change = [&](const FileName& name) {
    FileEntry entry = *table.Find(name);
    ContentRef& content = entry.content;
    if (content.kind == ContentKind::kKept || content.size_bytes == 0) {
      content = {.seed = dice.Next(), .size_bytes = content.size_bytes + 512};
    } else {
      ++content.edits;
      if (dice.Below(2) == 0) content.size_bytes += 1 + dice.Below(8192);
    }
    entry.modified_unix = newest + 60;
    table.Put(name, std::move(entry));
    ++result.changed;
  };
  if (options.changes > 0 && table.Find(messages) != nullptr) change(messages);
  while (result.changed < options.changes && !candidates.empty()) change(take());
  while (result.deleted < options.deletes && !candidates.empty()) {
    table.Remove(take());
    ++result.deleted;
  }
  for (; result.added < options.adds; ++result.added) {
    const bool photo = result.added % 2 == 0;
    FileEntry entry = MakeFile(table, dice, photo ? ContentKind::kJpeg : ContentKind::kText,
                               500 + dice.Below(photo ? 90'000 : 9'000));
    entry.modified_unix = newest + 60;
    FileName name =
        photo ? FileName{"CameraRollDomain",
                         fmt::format("Media/DCIM/200APPLE/IMG_{:03}{:05}.JPG", round, result.added)}
              : FileName{"AppDomain-com.example.office",
                         fmt::format("Documents/new/round-{}-{}.dat", round, result.added)};
    table.Put(std::move(name), std::move(entry));
  }
  return result;
}

}  // namespace mooring::testing

// What `content query`, `pm`, `settings` and `df` print, vCards and record files.

#include <cstdint>
#include <string>
#include <vector>

#include "agent/android/apps_capture.h"
#include "agent/android/apps_restore.h"
#include "agent/android/content_rows.h"
#include "agent/android/record_file.h"
#include "agent/android/settings_rules.h"
#include "agent/android/storage_restore.h"
#include "agent/android/vcard.h"
#include "storage/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace agent = mooring::agent;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const mooring::ByteView input = mooring::testing::FuzzInput(data, size);
  const std::string_view text = mooring::AsText(input);
  const auto ids = agent::ParseIds(text);
  for (const std::vector<std::int64_t>& wanted :
       {std::vector<std::int64_t>{7}, std::vector<std::int64_t>{7, 8, 9}}) {
    const auto rows = agent::ParseRows(text, {"_id", "date", "address", "body"}, wanted);
    if (!rows.ok()) continue;
    MOORING_CHECK(rows->size() == wanted.size());
    for (const agent::ContentValues& row : *rows) MOORING_CHECK(row.empty() || row.size() == 4);
  }
  agent::ParseOneValue(text, "body", 7).status().IgnoreError();
  agent::ProviderFailure(text, text).IgnoreError();
  for (const agent::InstalledPackage& package : agent::ParsePackages(text)) {
    MOORING_CHECK(agent::IsPackageName(package.name));
  }
  for (const auto& [name, paths] : agent::ParsePackagePaths(text)) {
    MOORING_CHECK(agent::IsPackageName(name));
  }
  agent::ParseInstallSession(text).status().IgnoreError();
  agent::ParseInstallResult(text).IgnoreError();
  agent::ParseSettings("system", text);
  agent::ParseFreeBytes(text).status().IgnoreError();
  agent::CountCards(text);
  // What is written comes back.
  std::string list;
  agent::RecordWriter writer("fuzz/1", [&](mooring::ByteView bytes) {
    list += mooring::AsText(bytes);
    return absl::OkStatus();
  });
  MOORING_CHECK(writer.Add({"text"}, {std::string(text)}).ok() && writer.Finish().ok());
  agent::RecordReader reader("fuzz/1");
  const absl::Status read =
      reader.Feed(mooring::AsBytes(list), [&](const agent::RecordFields& fields) {
        MOORING_CHECK(fields.at("text") == agent::ToValidUtf8(text));
        return absl::OkStatus();
      });
  MOORING_CHECK(read.ok() && reader.Finish().ok());
  agent::RecordReader other("mooring.android.sms/1");
  other.Feed(input, [](const agent::RecordFields&) { return absl::OkStatus(); }).IgnoreError();
  agent::ParseFlatJson(text);
  return 0;
}

#include "tests/phones/android/phone_json.h"

#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/phones/common/json.h"

namespace mooring::testing::android {
namespace {

constexpr std::string_view kKinds[] = {"file", "directory", "symlink"};

std::string ValueJson(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *number);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  if (const auto* text = std::get_if<std::string>(&value)) return JsonText(*text);
  if (const auto* blob = std::get_if<Blob>(&value)) {
    return JsonText("sha256:" + HexOf(Sha256(blob->bytes)));
  }
  return "null";
}

}  // namespace

std::string PhoneJson(AndroidPhone& phone, std::string_view address, bool is_attached) {
  const PhoneIdentity& identity = phone.identity();
  std::size_t files = 0;
  phone.files().tree().ForEach(kSharedStorage, [&](const std::string&, const FileInfo& info) {
    files += info.kind == FileInfo::Kind::kFile ? 1U : 0U;
  });
  return fmt::format(
      "{{\"serial\":{},\"address\":{},\"model\":{},\"android\":{},\"sdk\":{},\"attached\":{},"
      "\"auth\":{},\"locked\":{},\"locked_since_boot\":{},\"battery\":{},\"work_profile\":{},"
      "\"sd_card\":{},\"hostile\":{},\"files\":{},\"content_bytes\":{},\"capacity_bytes\":{},"
      "\"messages\":{},\"bytes_sent\":{},\"file_bytes_sent\":{},\"bytes_received\":{},\"writes\":{},\"violations\":{}}}",
      JsonText(identity.serial), JsonText(address), JsonText(identity.model),
      phone.options().android, identity.sdk, is_attached, JsonText(phone.auth_state()),
      phone.is_locked(), phone.is_locked_since_boot(), phone.battery(),
      phone.options().content.work_profile, JsonText(phone.options().content.sd_card),
      JsonText(phone.hostile()), files, phone.files().used_bytes(), phone.files().capacity_bytes(),
      phone.providers().Count("sms"), phone.bytes_sent(), phone.file_bytes_sent(), phone.bytes_received(),
      phone.files().writes().size(), JsonTexts(phone.violations()));
}

std::string FilesJson(const std::vector<DumpedFile>& files) {
  std::string json = "[";
  for (const DumpedFile& file : files) {
    if (json.size() > 1) json += ',';
    json += fmt::format("{{\"path\":{},\"kind\":\"{}\",\"size\":{},\"mtime\":{},\"sha256\":{}}}",
                        JsonText(file.path), kKinds[static_cast<std::size_t>(file.kind)],
                        file.size_bytes, file.modified_unix, JsonText(file.sha256));
  }
  return json + "]";
}

std::string RecordsJson(Providers& providers) {
  std::string json = "{";
  for (const std::string& table : Providers::Tables()) {
    const QueryResult rows = providers.Table(table);
    json += fmt::format("{}\"{}\":[", json.size() > 1 ? "," : "", table);
    for (std::size_t i = 0; i < rows.rows.size(); ++i) {
      json += i == 0 ? "{" : ",{";
      for (std::size_t column = 0; column < rows.columns.size(); ++column) {
        json += fmt::format("{}\"{}\":{}", column == 0 ? "" : ",", rows.columns[column],
                            ValueJson(rows.rows[i][column]));
      }
      json += '}';
    }
    json += ']';
  }
  return json + "}";
}

std::string SettingsJson(AndroidPhone& phone) {
  std::string json = "{";
  for (const char* space : {"global", "system", "secure"}) {
    json += fmt::format("{}\"{}\":{{", json.size() > 1 ? "," : "", space);
    bool is_first = true;
    for (const auto& [key, value] : phone.SettingsOf(space)) {
      json += fmt::format("{}{}:{}", is_first ? "" : ",", JsonText(key), JsonText(value));
      is_first = false;
    }
    json += '}';
  }
  return json + "}";
}

absl::StatusOr<std::string> PackagesJson(AndroidPhone& phone) {
  std::string json = "[";
  for (const Package& package : phone.packages().List()) {
    if (json.size() > 1) json += ',';
    json += fmt::format("{{\"name\":{},\"version_code\":{},\"system\":{},\"apks\":[",
                        JsonText(package.name), package.version_code, package.is_system);
    for (const Apk& apk : package.apks) {
      if (&apk != &package.apks.front()) json += ',';
      MOORING_ASSIGN_OR_RETURN(const Sha256Digest digest, phone.library().Digest(apk.content));
      json += fmt::format("{{\"split\":{},\"size\":{},\"sha256\":\"{}\"}}", JsonText(apk.split),
                          apk.content.size_bytes, HexOf(digest));
    }
    json += "]}";
  }
  return json + "]";
}

}  // namespace mooring::testing::android

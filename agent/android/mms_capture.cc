#include "agent/android/mms_capture.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "agent/android/file_taker.h"
#include "agent/android/record_file.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kPartBytesMax = 64 << 20;
constexpr std::size_t kAddressBytesMax = 1 << 20;
// The phone takes a second or two for each; the rest follows next time.
constexpr std::size_t kAddressesPerSession = 500;
constexpr std::string_view kMark = "=\n";

}  // namespace

absl::StatusOr<std::vector<std::string>> MmsCapture::Ids(const OpContext& ctx,
                                                         const std::string& uri, bool with_text) {
  std::vector<std::string> ids;
  const ContentTable table{uri, {"_id"}, {with_text ? "sub" : "ct"}, ""};
  MOORING_RETURN_IF_ERROR(
      reader_
          .Read(ctx, table,
                [&](const ContentValues& values) {
                  // Texts and layouts of parts stand in their list.
                  const std::string type = with_text ? "" : values[1].value_or("");
                  if (type.compare(0, 5, "text/") != 0 && type != "application/smil") {
                    ids.push_back(*values[0]);
                  }
                  return absl::OkStatus();
                })
          .status());
  return ids;
}

absl::StatusOr<std::vector<std::string>> MmsCapture::NewOnes(const OpContext& ctx,
                                                             std::string_view root,
                                                             std::vector<std::string> ids) {
  const std::set<std::string, std::less<>> there(ids.begin(), ids.end());
  for (const storage::ListedEntry& old : parts_.builder.List(root)) {
    if (there.count(old.name) > 0) continue;
    MOORING_RETURN_IF_ERROR(parts_.builder.Remove(fmt::format("{}/{}", root, old.name)));
  }
  std::erase_if(ids, [&](const std::string& id) {
    const std::string path = fmt::format("{}/{}", root, id);
    if (!parts_.builder.Find(path)) return false;
    const std::optional<FileMark> mark = parts_.index.Find(ctx, path);
    return mark && mark->inode == parts_.phone_key;
  });
  return ids;
}

absl::Status MmsCapture::Put(const OpContext& ctx, const std::string& path,
                             std::string_view content) {
  FileTaker taker(parts_.builder, path);
  FileFacts facts;
  facts.mode = 0600;
  MOORING_RETURN_IF_ERROR(taker.Begin(ctx, facts));
  MOORING_RETURN_IF_ERROR(taker.Write(AsBytes(content)));
  MOORING_RETURN_IF_ERROR(taker.Close());
  parts_.index.Put(ctx, path, {parts_.phone_key, taker.sha256()});
  parts_.progress.Moved(1, content.size());
  return absl::OkStatus();
}

absl::Status MmsCapture::Parts(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(std::vector<std::string> ids, Ids(ctx, "content://mms/part", false));
  MOORING_ASSIGN_OR_RETURN(ids, NewOnes(ctx, kMmsPartsRoot, std::move(ids)));
  for (const std::string& id : ids) {
    const std::string path = fmt::format("{}/{}", kMmsPartsRoot, id);
    ShellResult result;
    const absl::Status ran = parts_.line.Run(ctx, [&]() -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(
          result, RunShell(ctx, parts_.line.device(), "content read --uri content://mms/part/" + id,
                           kPartBytesMax));
      return absl::OkStatus();
    });
    if (EndsSession(ran)) return ran;
    if (!ran.ok() || result.exit.status != 0) {
      parts_.gaps.Add(path, v1::GAP_REASON_REFUSED);
      continue;
    }
    MOORING_RETURN_IF_ERROR(Put(ctx, path, result.output));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> MmsCapture::AddressesOf(const OpContext& ctx, const std::string& id) {
  // Ids alone first: nothing can be forged in them.
  const std::string query = fmt::format("content query --uri content://mms/{}/addr", id);
  const std::string command = fmt::format(
      "{0} --projection _id --sort '_id ASC'; echo =; {0} --projection _id:type:address --sort "
      "'_id ASC'",
      query);
  ShellResult result;
  MOORING_RETURN_IF_ERROR(parts_.line.Run(ctx, [&]() -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(result,
                             RunShell(ctx, parts_.line.device(), command, kAddressBytesMax));
    return absl::OkStatus();
  }));
  MOORING_RETURN_IF_ERROR(ProviderFailure(result.output, result.exit.errors));
  const std::string_view output = result.output;
  const std::size_t mark = output.find(kMark);
  if (mark == std::string_view::npos) return absl::DataLossError("not what was asked for");
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::int64_t> ids, ParseIds(output.substr(0, mark)));
  const std::vector<std::string> columns = {"_id", "type", "address"};
  MOORING_ASSIGN_OR_RETURN(const std::vector<ContentValues> rows,
                           ParseRows(output.substr(mark + kMark.size()), columns, ids));
  std::string text;
  RecordWriter writer(kMmsAddressesFormat, [&](ByteView bytes) {
    text += AsText(bytes);
    return absl::OkStatus();
  });
  for (const ContentValues& row : rows) {
    if (row.empty()) return absl::DataLossError("an address that cannot be told apart");
    MOORING_RETURN_IF_ERROR(writer.Add(columns, row));
  }
  MOORING_RETURN_IF_ERROR(writer.Finish());
  return text;
}

absl::Status MmsCapture::Addresses(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(std::vector<std::string> ids, Ids(ctx, "content://mms", true));
  MOORING_ASSIGN_OR_RETURN(ids, NewOnes(ctx, kMmsAddressesRoot, std::move(ids)));
  // The newest first.
  std::reverse(ids.begin(), ids.end());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string path = fmt::format("{}/{}", kMmsAddressesRoot, ids[i]);
    if (i >= kAddressesPerSession) {
      parts_.gaps.Add(kMmsAddressesRoot, v1::GAP_REASON_FAILED);
      parts_.remarks.push_back(
          fmt::format("the addresses of {} MMS follow in the next backups", ids.size() - i));
      break;
    }
    const absl::StatusOr<std::string> addresses = AddressesOf(ctx, ids[i]);
    if (EndsSession(addresses.status())) return addresses.status();
    if (!addresses.ok()) {
      parts_.gaps.Add(path, v1::GAP_REASON_FAILED);
      continue;
    }
    MOORING_RETURN_IF_ERROR(Put(ctx, path, *addresses));
  }
  return absl::OkStatus();
}

}  // namespace mooring::agent

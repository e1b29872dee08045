#include "server/config/recovery_kit.h"

#include <utility>

#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "server/log/json_text.h"
#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring::server {
namespace {

constexpr std::size_t kFileBytesMax = 64 << 10;

constexpr char kKitText[] =
    "Mooring recovery kit\n"
    "\n"
    "Keep a copy of this folder away from the server, as you keep the keys of the building.\n"
    "\n"
    "  kek      the key-encryption key: without it nothing in the repository can be read,\n"
    "           by anyone; with it and the repository, everything can\n"
    "  ca.pem   certificate of the CA that agents and servers trust\n"
    "  ca.key   its private key, wrapped by the key-encryption key\n"
    "  ids.json which server this belongs to\n"
    "\n"
    "To bring a server back whose database is lost, from the repository and this folder alone:\n"
    "\n"
    "  mooringd rebuild --repository REPOSITORY --recovery-kit THIS_FOLDER --state-dir NEW_DIR\n"
    "\n"
    "Where the database is left: put kek, ca.pem and ca.key into the state directory.\n";

}  // namespace

absl::Status WriteRecoveryKit(FileSystem& files, Clock& clock, const StateDir& dir,
                              const config::v1::ServerConfig& config,
                              const CertificateAuthority& authority) {
  const std::string kit = dir.recovery_kit();
  MOORING_RETURN_IF_ERROR(files.CreateDirectories(kit, 0700));
  const std::pair<std::string, std::string> copies[] = {
      {config.kek_file(), "/kek"},
      {dir.ca_certificate(), "/ca.pem"},
      {dir.ca_key(), "/ca.key"},
  };
  for (const auto& [from, to] : copies) {
    MOORING_ASSIGN_OR_RETURN(const Bytes bytes, files.Read(from, kFileBytesMax));
    MOORING_RETURN_IF_ERROR(WriteFileDurably(files, kit + to, bytes, 0600));
  }
  const std::string ids =
      fmt::format("{{\"organization\": {}, \"ca_pin\": \"{}\", \"made_at\": \"{}\"}}\n",
                  JsonText(config.organization()), ToHex(authority.pin()),
                  absl::FormatTime(absl::RFC3339_sec, clock.Now(), absl::UTCTimeZone()));
  MOORING_RETURN_IF_ERROR(WriteFileDurably(files, kit + "/ids.json", AsBytes(ids), 0600));
  return WriteFileDurably(files, kit + "/README.txt", AsBytes(kKitText), 0600);
}

absl::Status InstallRecoveryKit(FileSystem& files, const std::string& kit, const StateDir& dir,
                                const std::string& kek_file) {
  const std::pair<std::string, std::string> copies[] = {
      {"/kek", kek_file},
      {"/ca.pem", dir.ca_certificate()},
      {"/ca.key", dir.ca_key()},
  };
  for (const auto& [from, to] : copies) {
    const absl::StatusOr<Bytes> bytes = files.Read(kit + from, kFileBytesMax);
    if (absl::IsNotFound(bytes.status())) {
      return absl::FailedPreconditionError(
          fmt::format("{} is no recovery kit: it has no {}", kit, from.substr(1)));
    }
    MOORING_RETURN_IF_ERROR(bytes.status());
    const absl::StatusOr<Bytes> there = files.Read(to, kFileBytesMax);
    if (there.ok() && *there == *bytes) continue;
    if (there.ok()) {
      return absl::FailedPreconditionError(fmt::format(
          "{} is there and is not the one of the kit; name another state directory", to));
    }
    if (!absl::IsNotFound(there.status())) return there.status();
    MOORING_RETURN_IF_ERROR(WriteFileDurably(files, to, *bytes, from == "/ca.pem" ? 0644 : 0600));
  }
  return absl::OkStatus();
}

std::string OrganizationOfKit(FileSystem& files, const std::string& kit) {
  const absl::StatusOr<Bytes> bytes = files.Read(kit + "/ids.json", kFileBytesMax);
  if (!bytes.ok()) return "";
  google::protobuf::Struct ids;
  if (!google::protobuf::util::JsonStringToMessage(ToString(*bytes), &ids).ok()) return "";
  const auto found = ids.fields().find("organization");
  return found == ids.fields().end() ? "" : std::string(found->second.string_value());
}

}  // namespace mooring::server

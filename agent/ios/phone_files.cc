#include "agent/ios/phone_files.h"

#include <optional>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// What is read from the builder at once.
constexpr std::size_t kReadBytes = std::size_t{256} << 10;

// What a phone reads back, at the end and as the next session's base.
bool IsReadBack(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name == "Manifest.db" || name == "Manifest.plist" || name == "Status.plist";
}

absl::Status ReadOnly() {
  return absl::PermissionDeniedError("the snapshot is read-only");
}

}  // namespace

absl::Status BackupFiles::Read(const OpContext& ctx, const std::string& path,
                               absl::FunctionRef<absl::Status(ByteView)> sink) {
  const std::optional<storage::Entry> entry = builder_.Find(path);
  if (!entry || entry->type != storage::EntryType::kFile)
    return absl::NotFoundError("no such file");
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> reader, builder_.Open(ctx, path));
  Bytes buffer(kReadBytes);
  for (std::uint64_t offset = 0; offset < reader->size_bytes();) {
    MOORING_ASSIGN_OR_RETURN(const std::size_t got, reader->ReadAt(offset, buffer));
    if (got == 0) return absl::DataLossError("a file of the base ends early");
    MOORING_RETURN_IF_ERROR(sink(ByteView(buffer).first(got)));
    offset += got;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<FileWriter>> BackupFiles::Create(const OpContext& ctx,
                                                                const std::string& path) {
  if (builder_.IsDirectory(path)) return absl::PermissionDeniedError("is a directory");
  const FileFacts facts{.modified_unix_ns = absl::ToUnixNanos(clock_.Now()),
                        .mode = 0600,
                        .will_be_read = IsReadBack(path)};
  return builder_.Put(ctx, path, facts);
}

absl::Status BackupFiles::MakeDirectory(const std::string& path) {
  return builder_.MakeDirectory(path, absl::ToUnixNanos(clock_.Now()));
}

absl::Status RestoreFiles::Read(const OpContext& ctx, const std::string& path,
                                absl::FunctionRef<absl::Status(ByteView)> sink) {
  const std::optional<storage::Entry> entry = snapshot_.Find(path);
  if (!entry || entry->type != storage::EntryType::kFile)
    return absl::NotFoundError("no such file");
  return snapshot_.Read(ctx, path, sink);
}

absl::StatusOr<std::unique_ptr<FileWriter>> RestoreFiles::Create(const OpContext&,
                                                                 const std::string&) {
  return ReadOnly();
}

absl::Status RestoreFiles::MakeDirectory(const std::string& path) {
  return snapshot_.IsDirectory(path) ? absl::OkStatus() : ReadOnly();
}

absl::Status RestoreFiles::Remove(const std::string& path) {
  const bool exists = snapshot_.IsDirectory(path) || snapshot_.Find(path).has_value();
  return exists ? ReadOnly() : absl::OkStatus();
}

absl::Status RestoreFiles::Move(const std::string&, const std::string&) {
  return ReadOnly();
}
absl::Status RestoreFiles::Copy(const std::string&, const std::string&) {
  return ReadOnly();
}

}  // namespace mooring::agent

#include "storage/seal/key_ring.h"

#include <utility>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/seal/aead.h"
#include "storage/seal/digest.h"
#include "storage/seal/key_wrap.h"

namespace mooring::storage {
namespace {

constexpr std::string_view kDomainIdLabel = "mooring/domain-id/1";
constexpr std::string_view kDomainSecretLabel = "mooring/domain-secret/1";
constexpr std::string_view kChunkerSecretLabel = "mooring/chunker-secret/1";
constexpr std::string_view kSnapshotWrapLabel = "mooring/snapshot-wrap/1";

// The KEK file: one line of text, so that it can be printed into a recovery
// kit and that another file given by mistake is noticed.
constexpr std::string_view kKekFilePrefix = "mooring-kek-1:";
constexpr std::size_t kKekFileBytes = kKekFilePrefix.size() + 2 * kAeadKeyBytes + 1;

std::string DirectoryOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

int HexDigit(std::byte b) {
  const int c = std::to_integer<int>(b);
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// By hand rather than by ToHex and FromHex, which would leave the key in
// memory that nobody wipes.
SecretBytes KekFileText(const SecretBytes& kek) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  SecretBytes text(kKekFileBytes);
  const std::span<std::byte> out = text.writable();
  std::size_t at = 0;
  for (const char c : kKekFilePrefix) out[at++] = static_cast<std::byte>(c);
  for (const std::byte b : kek.view()) {
    out[at++] = static_cast<std::byte>(kDigits[std::to_integer<std::size_t>(b >> 4)]);
    out[at++] = static_cast<std::byte>(kDigits[std::to_integer<std::size_t>(b & std::byte{15})]);
  }
  out[at] = std::byte{'\n'};
  return text;
}

absl::StatusOr<SecretBytes> ParseKekFile(const SecretBytes& text) {
  const ByteView bytes = text.view();
  const absl::Status bad = absl::DataLossError(
      "not a key-encryption key file (one line, \"mooring-kek-1:\" and 64 hexadecimal digits)");
  const bool ends_line = bytes.size() == kKekFileBytes && bytes.back() == std::byte{'\n'};
  if (!ends_line && bytes.size() != kKekFileBytes - 1) return bad;
  if (AsText(bytes.first(kKekFilePrefix.size())) != kKekFilePrefix) return bad;
  SecretBytes kek(kAeadKeyBytes);
  for (std::size_t i = 0; i < kek.size(); ++i) {
    const int high = HexDigit(bytes[kKekFilePrefix.size() + 2 * i]);
    const int low = HexDigit(bytes[kKekFilePrefix.size() + 2 * i + 1]);
    if (high < 0 || low < 0) return bad;
    kek.writable()[i] = static_cast<std::byte>(high * 16 + low);
  }
  return kek;
}

SecretBytes SnapshotWrapKey(const SecretBytes& person_key) {
  return HkdfExpand(person_key.view(), {AsBytes(kSnapshotWrapLabel)}, kAeadKeyBytes);
}

}  // namespace

FileKekProvider::FileKekProvider(SecretBytes kek, Random& random, Clock& clock)
    : kek_(std::move(kek)), random_(random), clock_(clock) {}

absl::Status FileKekProvider::Create(FileSystem& files, Random& random, const std::string& path) {
  const SecretBytes text = KekFileText(SecretBytes::Make(random, kAeadKeyBytes));
  // Written beside and renamed, so that a crash leaves no half of a key.
  const std::string temporary = path + ".new";
  MOORING_RETURN_IF_ERROR(files.Remove(temporary));
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, files.Create(temporary, 0600));
  absl::Status written = file->Append(text.view());
  if (written.ok()) written = file->Sync();
  if (written.ok()) written = file->Close();
  if (written.ok()) written = files.RenameNoReplace(temporary, path);
  if (!written.ok()) {
    // The first error is the one to tell; a leftover is removed by the next try.
    files.Remove(temporary).IgnoreError();
    return Annotate(written, fmt::format("creating the key-encryption key {}", path));
  }
  return files.SyncDirectory(DirectoryOf(path));
}

absl::StatusOr<std::unique_ptr<FileKekProvider>> FileKekProvider::Load(FileSystem& files,
                                                                       Random& random, Clock& clock,
                                                                       const std::string& path) {
  const std::string context = fmt::format("key-encryption key {}", path);
  const absl::StatusOr<SecretBytes> text = ReadSecretFile(files, path, kKekFileBytes);
  if (!text.ok()) return Annotate(text.status(), context);
  absl::StatusOr<SecretBytes> kek = ParseKekFile(*text);
  if (!kek.ok()) return Annotate(kek.status(), context);
  return std::unique_ptr<FileKekProvider>(new FileKekProvider(*std::move(kek), random, clock));
}

absl::StatusOr<Bytes> FileKekProvider::Wrap(KeyPurpose purpose, ByteView subject, ByteView key) {
  return WrapKey(kek_, random_, clock_, purpose, subject, key);
}

absl::StatusOr<SecretBytes> FileKekProvider::Unwrap(KeyPurpose purpose, ByteView subject,
                                                    ByteView wrapped) {
  return UnwrapKey(kek_, purpose, subject, wrapped);
}

DomainKeys DeriveDomainKeys(const SecretBytes& root_key) {
  MOORING_CHECK(root_key.size() == 32);
  DomainKeys keys;
  const SecretBytes id = HkdfExpand(root_key.view(), {AsBytes(kDomainIdLabel)}, DomainId::kBytes);
  keys.id = *DomainId::FromBytes(id.view());
  keys.domain_secret = HkdfExpand(root_key.view(), {AsBytes(kDomainSecretLabel)}, 32);
  keys.chunker_secret = HkdfExpand(root_key.view(), {AsBytes(kChunkerSecretLabel)}, 32);
  return keys;
}

absl::StatusOr<Bytes> WrapSnapshotKey(Random& random, Clock& clock, const SecretBytes& person_key,
                                      const SnapshotId& snapshot, const SecretBytes& snapshot_key) {
  return WrapKey(SnapshotWrapKey(person_key), random, clock, KeyPurpose::kSnapshotKey,
                 snapshot.view(), snapshot_key.view());
}

absl::StatusOr<SecretBytes> UnwrapSnapshotKey(const SecretBytes& person_key,
                                              const SnapshotId& snapshot, ByteView wrapped) {
  return UnwrapKey(SnapshotWrapKey(person_key), KeyPurpose::kSnapshotKey, snapshot.view(), wrapped);
}

}  // namespace mooring::storage

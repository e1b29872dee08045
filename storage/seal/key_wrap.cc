#include "storage/seal/key_wrap.h"

#include <algorithm>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/ids.h"
#include "storage/base/status.h"
#include "storage/seal/aead.h"
#include "storage/seal/digest.h"

namespace mooring::storage {
namespace {

constexpr std::string_view kLabel = "mooring/key-wrap/1";
constexpr std::string_view kKekIdLabel = "mooring/kek-id/1";
constexpr std::byte kVersion{1};
constexpr std::byte kAlgorithmAes256Gcm{1};
constexpr std::size_t kHeaderBytes = 48;
constexpr std::size_t kKekIdAt = 6;
constexpr std::size_t kSubjectAt = 22;
constexpr std::size_t kBodyBytesAt = 46;
constexpr std::size_t kBodyOverheadBytes = kAeadNonceBytes + kAeadTagBytes;

KeyId KekIdOf(const SecretBytes& kek) {
  const SecretBytes id = HkdfExpand(kek.view(), {AsBytes(kKekIdLabel)}, KeyId::kBytes);
  return *KeyId::FromBytes(id.view());
}

absl::Status Bad(std::string_view what) {
  return absl::DataLossError(ToAbsl(fmt::format("key wrap: {}", what)));
}

absl::Status CheckHeader(ByteView wrapped) {
  if (wrapped.size() < kHeaderBytes + kBodyOverheadBytes + 1) return Bad("too short");
  if (AsText(wrapped.first(2)) != "KW") return Bad("not a key wrap");
  if (wrapped[2] != kVersion) {
    return Bad(fmt::format("unknown version {}", std::to_integer<int>(wrapped[2])));
  }
  if (wrapped[3] != kAlgorithmAes256Gcm) {
    return Bad(fmt::format("unknown algorithm {}", std::to_integer<int>(wrapped[3])));
  }
  if (wrapped[5] != std::byte{0}) return Bad("reserved byte in use");
  if (wrapped.size() != kHeaderBytes + LoadLe16(wrapped, kBodyBytesAt)) {
    return Bad("another length than its header says");
  }
  if (wrapped.size() - kHeaderBytes - kBodyOverheadBytes > kWrappedKeyBytesMax) {
    return Bad("too long");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Bytes> WrapKey(const SecretBytes& kek, Random& random, Clock& clock,
                              KeyPurpose purpose, ByteView subject, ByteView key) {
  if (kek.size() != kAeadKeyBytes) {
    return absl::InvalidArgumentError("key wrap: the wrapping key has 32 bytes");
  }
  if (subject.size() != kWrapSubjectBytes) {
    return absl::InvalidArgumentError("key wrap: a subject has 16 bytes");
  }
  if (key.empty() || key.size() > kWrappedKeyBytesMax) {
    return absl::InvalidArgumentError(
        ToAbsl(fmt::format("key wrap: a key of 1 to {} bytes is wanted", kWrappedKeyBytesMax)));
  }
  Bytes blob = ToBytes("KW");
  blob.push_back(kVersion);
  blob.push_back(kAlgorithmAes256Gcm);
  blob.push_back(static_cast<std::byte>(purpose));
  blob.push_back(std::byte{0});
  Append(blob, KekIdOf(kek).view());
  Append(blob, subject);
  AppendLe64(blob, static_cast<std::uint64_t>(absl::ToUnixMicros(clock.Now())));
  AppendLe16(blob, static_cast<std::uint16_t>(kBodyOverheadBytes + key.size()));
  MOORING_CHECK(blob.size() == kHeaderBytes);
  blob.resize(kHeaderBytes + kBodyOverheadBytes + key.size());
  const std::span<std::byte> all(blob);
  const std::span<std::byte> nonce = all.subspan(kHeaderBytes, kAeadNonceBytes);
  random.Fill(nonce);
  AeadSeal(kek.view(), nonce, {AsBytes(kLabel), all.first(kHeaderBytes)}, key,
           all.subspan(kHeaderBytes + kAeadNonceBytes));
  return blob;
}

absl::StatusOr<SecretBytes> UnwrapKey(const SecretBytes& kek, KeyPurpose purpose, ByteView subject,
                                      ByteView wrapped) {
  if (kek.size() != kAeadKeyBytes) {
    return absl::InvalidArgumentError("key wrap: the wrapping key has 32 bytes");
  }
  MOORING_RETURN_IF_ERROR(CheckHeader(wrapped));
  if (wrapped[4] != static_cast<std::byte>(purpose)) return Bad("made for another purpose");
  if (!std::ranges::equal(wrapped.subspan(kSubjectAt, kWrapSubjectBytes), subject)) {
    return Bad("made for another subject");
  }
  if (KeyId::FromBytes(wrapped.subspan(kKekIdAt, KeyId::kBytes)) != KekIdOf(kek)) {
    return absl::PermissionDeniedError("key wrap: wrapped under another key");
  }
  const ByteView nonce = wrapped.subspan(kHeaderBytes, kAeadNonceBytes);
  const ByteView body = wrapped.subspan(kHeaderBytes + kAeadNonceBytes);
  SecretBytes key(body.size() - kAeadTagBytes);
  const absl::Status opened = AeadOpen(
      kek.view(), nonce, {AsBytes(kLabel), wrapped.first(kHeaderBytes)}, body, key.writable());
  if (!opened.ok()) return Bad("damaged");
  return key;
}

}  // namespace mooring::storage

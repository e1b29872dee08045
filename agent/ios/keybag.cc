#include "agent/ios/keybag.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <openssl/evp.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kWrappedBytes = 40;
constexpr std::size_t kBlockBytes = 16;
constexpr std::size_t kKeybagBytesMax = 64 << 10;
// Real phones use 10,000,000; a hostile count must not keep us busy for hours.
constexpr std::uint32_t kIterationsMax = 50'000'000;
// The class key is wrapped with the password's key.
constexpr std::uint32_t kWrapPasscode = 2;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const unsigned char* Raw(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* RawOut(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

// RFC 3394, section 2.2.2. kUnauthenticated: the integrity check failed.
absl::StatusOr<SecretBytes> UnwrapKey(const SecretBytes& key, ByteView wrapped) {
  const CipherContext context(EVP_CIPHER_CTX_new());
  SecretBytes out(kWrappedBytes);
  int written = 0;
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  if (wrapped.size() != kWrappedBytes || key.size() != kKeyBytes ||
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_wrap(), nullptr, Raw(key.view()), nullptr) !=
          1 ||
      EVP_DecryptUpdate(context.get(), RawOut(out.writable()), &written, Raw(wrapped),
                        static_cast<int>(wrapped.size())) != 1 ||
      written != static_cast<int>(kKeyBytes)) {
    return absl::UnauthenticatedError("backup keybag: wrong password");
  }
  return SecretBytes::CopyOf(out.view().first(kKeyBytes));
}

absl::StatusOr<SecretBytes> Stretch(ByteView password, ByteView salt, std::uint32_t iterations,
                                    const EVP_MD* digest) {
  SecretBytes out(kKeyBytes);
  if (iterations == 0 || iterations > kIterationsMax || salt.empty() ||
      PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(password.data()),
                        static_cast<int>(password.size()), Raw(salt), static_cast<int>(salt.size()),
                        static_cast<int>(iterations), digest, static_cast<int>(kKeyBytes),
                        RawOut(out.writable())) != 1) {
    return absl::InvalidArgumentError("backup keybag: derivation parameters");
  }
  return out;
}

struct WrappedClass {
  std::uint32_t number = 0;
  std::uint32_t wrap = 0;
  ByteView key;
};

struct ParsedKeybag {
  ByteView salt;
  std::uint32_t iterations = 0;
  ByteView double_salt;
  std::uint32_t double_iterations = 0;
  std::vector<WrappedClass> classes;
};

std::uint32_t Number(ByteView value) {
  return value.size() == 4 ? LoadBe32(value, 0) : 0;
}

void TakeField(std::string_view tag, ByteView value, bool in_header, ParsedKeybag& bag) {
  if (in_header) {
    if (tag == "SALT") bag.salt = value;
    if (tag == "ITER") bag.iterations = Number(value);
    if (tag == "DPSL") bag.double_salt = value;
    if (tag == "DPIC") bag.double_iterations = Number(value);
    return;
  }
  if (tag == "CLAS") bag.classes.back().number = Number(value);
  if (tag == "WRAP") bag.classes.back().wrap = Number(value);
  if (tag == "WPKY") bag.classes.back().key = value;
}

absl::StatusOr<ParsedKeybag> ParseKeybag(ByteView bytes) {
  constexpr std::size_t kFieldHeaderBytes = 8;
  ParsedKeybag bag;
  int uuids = 0;
  if (bytes.size() > kKeybagBytesMax) return absl::InvalidArgumentError("backup keybag: too long");
  while (!bytes.empty()) {
    if (bytes.size() < kFieldHeaderBytes) {
      return absl::InvalidArgumentError("backup keybag: truncated");
    }
    const std::string_view tag = AsText(bytes.first(4));
    const std::uint32_t length = LoadBe32(bytes, 4);
    bytes = bytes.subspan(kFieldHeaderBytes);
    if (length > bytes.size()) return absl::InvalidArgumentError("backup keybag: truncated");
    // The first UUID is the bag's own, each further one begins a class.
    if (tag == "UUID" && ++uuids > 1) bag.classes.emplace_back();
    TakeField(tag, bytes.first(length), uuids <= 1, bag);
    bytes = bytes.subspan(length);
  }
  return bag;
}

class DecryptingReader final : public FileReader {
 public:
  DecryptingReader(FileReader& encrypted, SecretBytes key)
      : encrypted_(encrypted), key_(std::move(key)) {}

  std::uint64_t size_bytes() const override { return encrypted_.size_bytes(); }

  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    if (offset >= size_bytes() || out.empty()) return std::size_t{0};
    const std::uint64_t end = std::min<std::uint64_t>(size_bytes(), offset + out.size());
    const std::uint64_t first = offset / kBlockBytes * kBlockBytes;
    const std::uint64_t last = (end + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
    // CBC: the block in front is the IV, all zero for the first.
    const std::uint64_t lead = first == 0 ? 0 : kBlockBytes;
    Bytes cipher(last - first + lead);
    MOORING_ASSIGN_OR_RETURN(const std::size_t got, encrypted_.ReadAt(first - lead, cipher));
    if (got != cipher.size()) return absl::DataLossError("encrypted file ends early");
    std::array<std::byte, kBlockBytes> iv{};
    if (lead != 0) std::copy_n(cipher.begin(), kBlockBytes, iv.begin());
    Bytes plain(last - first + kBlockBytes);
    int written = 0;
    const CipherContext context(EVP_CIPHER_CTX_new());
    if (EVP_DecryptInit_ex(context.get(), EVP_aes_256_cbc(), nullptr, Raw(key_.view()), Raw(iv)) !=
            1 ||
        EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1 ||
        EVP_DecryptUpdate(context.get(), RawOut(plain), &written,
                          Raw(ByteView(cipher).subspan(lead)),
                          static_cast<int>(cipher.size() - lead)) != 1) {
      return absl::InternalError("decrypt a file of the backup");
    }
    const auto from = static_cast<std::ptrdiff_t>(offset - first);
    std::copy_n(plain.begin() + from, end - offset, out.begin());
    return end - offset;
  }

 private:
  FileReader& encrypted_;
  const SecretBytes key_;
};

}  // namespace

absl::StatusOr<Keybag> Keybag::Open(ByteView bytes, const SecretBytes& password) {
  MOORING_ASSIGN_OR_RETURN(const ParsedKeybag bag, ParseKeybag(bytes));
  SecretBytes stretched = password.Clone();
  if (!bag.double_salt.empty()) {
    MOORING_ASSIGN_OR_RETURN(
        stretched, Stretch(password.view(), bag.double_salt, bag.double_iterations, EVP_sha256()));
  }
  MOORING_ASSIGN_OR_RETURN(const SecretBytes key,
                           Stretch(stretched.view(), bag.salt, bag.iterations, EVP_sha1()));
  Keybag opened;
  for (const WrappedClass& wrapped : bag.classes) {
    if ((wrapped.wrap & kWrapPasscode) == 0 || wrapped.key.empty()) continue;
    MOORING_ASSIGN_OR_RETURN(SecretBytes class_key, UnwrapKey(key, wrapped.key));
    opened.class_keys_.insert_or_assign(wrapped.number, std::move(class_key));
  }
  if (opened.class_keys_.empty()) return absl::InvalidArgumentError("backup keybag: no class key");
  return opened;
}

absl::StatusOr<SecretBytes> Keybag::Unwrap(ByteView wrapped) const {
  if (wrapped.size() != 4 + kWrappedBytes) {
    return absl::InvalidArgumentError("wrapped key: wrong length");
  }
  const auto class_key = class_keys_.find(LoadLe32(wrapped, 0));
  if (class_key == class_keys_.end()) return absl::InvalidArgumentError("wrapped key: no class");
  return UnwrapKey(class_key->second, wrapped.subspan(4));
}

absl::StatusOr<std::unique_ptr<FileReader>> MakeDecryptingReader(FileReader& encrypted,
                                                                 SecretBytes key) {
  if (encrypted.size_bytes() % kBlockBytes != 0) {
    return absl::InvalidArgumentError("encrypted file: not whole blocks");
  }
  return std::unique_ptr<FileReader>(new DecryptingReader(encrypted, std::move(key)));
}

}  // namespace mooring::agent

#include "storage/chunk/chunker.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "storage/base/check.h"
#include "storage/chunk/cut_prf.h"

namespace mooring::storage {
namespace {

using GearTable = std::array<std::uint64_t, 256>;

// The fingerprint is that of the last 64 bytes: older ones have been shifted out.
constexpr std::size_t kWindowBytes = 64;
// Candidates: the nine top bits are zero, 1 position in 512.
constexpr std::uint64_t kCandidateMask = std::uint64_t{0x1ff} << 55;
// Of the candidates, the PRF accepts 1 in 8192 below kNormalBytes and 1 in 512
// from there on: one cut in 4 MiB, then one in 256 KiB. With the minimum and
// this turning point, random content gives chunks of 1 MiB on average.
constexpr std::size_t kNormalBytes = std::size_t{832} << 10;
constexpr std::uint64_t kStrictMask = (std::uint64_t{1} << 13) - 1;
constexpr std::uint64_t kLooseMask = (std::uint64_t{1} << 9) - 1;

// AES-256 under the chunker secret, as a PRF from (tag, index) to 16 bytes.
class SecretExpander {
 public:
  explicit SecretExpander(ByteView secret) : cipher_(EVP_CIPHER_CTX_new()) {
    MOORING_CHECK(cipher_ != nullptr &&
                  EVP_EncryptInit_ex2(cipher_, EVP_aes_256_ecb(),
                                      reinterpret_cast<const unsigned char*>(secret.data()),
                                      nullptr, nullptr) == 1);
    EVP_CIPHER_CTX_set_padding(cipher_, 0);
  }
  ~SecretExpander() { EVP_CIPHER_CTX_free(cipher_); }
  SecretExpander(const SecretExpander&) = delete;
  SecretExpander& operator=(const SecretExpander&) = delete;

  std::array<std::byte, 16> Block(std::uint8_t tag, std::uint8_t index) {
    const std::array<unsigned char, 16> in = {tag, index};
    std::array<std::byte, 16> out{};
    int bytes = 0;
    MOORING_CHECK(EVP_EncryptUpdate(cipher_, reinterpret_cast<unsigned char*>(out.data()), &bytes,
                                    in.data(), 16) == 1 &&
                  bytes == 16);
    return out;
  }

 private:
  EVP_CIPHER_CTX* cipher_;
};

constexpr std::uint8_t kGearTag = 1;
constexpr std::uint8_t kPrfTag = 2;

std::uint64_t Roll(std::uint64_t fingerprint, std::byte next, const GearTable& gear) {
  return (fingerprint << 1) + gear[std::to_integer<std::size_t>(next)];
}

// How many bytes of `data` to cut off, the cut falling after a byte whose
// fingerprint the PRF accepts. `fingerprint` is that of the bytes before, and is
// left at the end.
std::optional<std::size_t> Scan(ByteView data, std::uint64_t accept_mask, const GearTable& gear,
                                const CutPrf& prf, std::uint64_t& fingerprint) {
  std::uint64_t current = fingerprint;
  // Runs of one byte repeat one fingerprint; asking once is enough.
  std::uint64_t refused = ~std::uint64_t{0};
  for (const std::byte& next : data) {
    current = Roll(current, next, gear);
    if ((current & kCandidateMask) != 0) [[likely]]
      continue;
    if (current == refused) continue;
    if ((prf.Of(current) & accept_mask) == 0) {
      return static_cast<std::size_t>(&next - data.data()) + 1;
    }
    refused = current;
  }
  fingerprint = current;
  return std::nullopt;
}

bool HasAt(std::string_view head, std::size_t offset, std::string_view magic) {
  return head.size() >= offset + magic.size() && head.substr(offset, magic.size()) == magic;
}

}  // namespace

struct Chunker::Keys {
  explicit Keys(ByteView prf_key) : prf(prf_key, CutPrfKind::kBest) {}
  ~Keys() { OPENSSL_cleanse(gear.data(), sizeof(gear)); }
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;

  GearTable gear{};
  CutPrf prf;
};

Chunker::Chunker(const SecretBytes& chunker_secret) {
  MOORING_CHECK(chunker_secret.size() == 32);
  SecretExpander expander(chunker_secret.view());
  std::array<std::byte, 16> prf_key = expander.Block(kPrfTag, 0);
  keys_ = std::make_unique<Keys>(prf_key);
  OPENSSL_cleanse(prf_key.data(), prf_key.size());
  for (std::size_t i = 0; i < keys_->gear.size(); ++i) {
    keys_->gear[i] = LoadLe64(expander.Block(kGearTag, static_cast<std::uint8_t>(i)), 0);
  }
}

Chunker::~Chunker() = default;

std::size_t Chunker::NextCut(ByteView data, bool is_end) const {
  MOORING_CHECK(is_end || data.size() >= kChunkBytesMax);
  if (data.size() <= kChunkBytesMin) return data.size();
  const std::size_t limit = std::min(data.size(), kChunkBytesMax);
  // A cut falls after byte `kChunkBytesMin - 1` at the earliest.
  const std::size_t first = kChunkBytesMin - 1;
  std::uint64_t fingerprint = 0;
  for (const std::byte before : data.subspan(first - (kWindowBytes - 1), kWindowBytes - 1)) {
    fingerprint = Roll(fingerprint, before, keys_->gear);
  }
  const std::size_t turn = std::min(limit, kNormalBytes);
  const auto scan = [&](std::size_t from, std::size_t to, std::uint64_t accept_mask) {
    std::optional<std::size_t> cut =
        Scan(data.subspan(from, to - from), accept_mask, keys_->gear, keys_->prf, fingerprint);
    if (cut) *cut += from;
    return cut;
  };
  std::optional<std::size_t> cut = scan(first, turn, kStrictMask);
  if (!cut) cut = scan(turn, limit, kLooseMask);
  return cut.value_or(limit);
}

bool Chunker::IsMedia(ByteView head) {
  using std::literals::string_view_literals::operator""sv;
  const std::string_view text = AsText(head);
  constexpr std::string_view kAtStart[] = {
      "\xff\xd8\xff"sv,       // JPEG
      "\x89PNG\r\n\x1a\n"sv,  // PNG
      "GIF87a"sv,             // GIF
      "GIF89a"sv,
      "ID3"sv,                   // MP3 with tags
      "OggS"sv,                  // Ogg: Opus, Vorbis
      "fLaC"sv,                  // FLAC
      "#!AMR"sv,                 // AMR voice
      "caff"sv,                  // Core Audio
      "\x1a\x45\xdf\xa3"sv,      // Matroska, WebM
      "PK\x03\x04"sv,            // ZIP, and so APK, IPA, OOXML
      "\x1f\x8b\x08"sv,          // gzip
      "BZh"sv,                   // bzip2
      "\x28\xb5\x2f\xfd"sv,      // zstd
      "\xfd\x37zXZ\x00"sv,       // xz
      "7z\xbc\xaf\x27\x1c"sv,    // 7-Zip
      "\x00\x00\x00\x0cJXL "sv,  // JPEG XL
      "\xff\x0a"sv,              // JPEG XL codestream
  };
  for (const std::string_view magic : kAtStart) {
    if (HasAt(text, 0, magic)) return true;
  }
  // ISO base media (MP4, MOV, HEIC, AVIF, M4A, 3GP) and older QuickTime.
  for (const std::string_view box : {"ftyp"sv, "mdat"sv, "moov"sv, "wide"sv}) {
    if (HasAt(text, 4, box)) return true;
  }
  if (HasAt(text, 0, "RIFF"sv)) return HasAt(text, 8, "WEBP"sv) || HasAt(text, 8, "AVI "sv);
  // MPEG audio without tags and AAC in ADTS: 11 or 12 sync bits, layer not reserved.
  if (head.size() >= 2 && head[0] == std::byte{0xff}) {
    const auto second = std::to_integer<unsigned>(head[1]);
    return second == 0xfb || second == 0xf3 || second == 0xf2 || second == 0xfa || second == 0xf1 ||
           second == 0xf9;
  }
  return false;
}

}  // namespace mooring::storage

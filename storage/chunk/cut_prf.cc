#include "storage/chunk/cut_prf.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "storage/base/check.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mooring::storage {
namespace {

#if defined(__x86_64__)

bool HasAesInstructions() {
  return __builtin_cpu_supports("aes") != 0;
}

__attribute__((target("aes,sse2"))) std::uint64_t EncryptHardware(
    const std::array<std::array<std::byte, 16>, kCutPrfRounds + 1>& keys,
    std::uint64_t fingerprint) {
  const auto round_key = [&keys](std::size_t i) __attribute__((target("aes,sse2"))) {
    return _mm_load_si128(reinterpret_cast<const __m128i*>(keys[i].data()));
  };
  __m128i block = _mm_cvtsi64_si128(static_cast<long long>(fingerprint));
  block = _mm_xor_si128(block, round_key(0));
  for (std::size_t i = 1; i < kCutPrfRounds; ++i) block = _mm_aesenc_si128(block, round_key(i));
  block = _mm_aesenclast_si128(block, round_key(kCutPrfRounds));
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(block));
}

// One step of the AES-128 key schedule (FIPS 197, 5.2).
__attribute__((target("aes,sse2"))) __m128i NextRoundKey(__m128i key, __m128i assisted) {
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  return _mm_xor_si128(key, _mm_shuffle_epi32(assisted, 0xff));
}

__attribute__((target("aes,sse2"))) void ExpandHardware(
    ByteView key, std::array<std::array<std::byte, 16>, kCutPrfRounds + 1>& keys) {
  __m128i round[kCutPrfRounds + 1];
  round[0] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(key.data()));
  // The round constants are operands of the instruction, hence no loop.
  round[1] = NextRoundKey(round[0], _mm_aeskeygenassist_si128(round[0], 0x01));
  round[2] = NextRoundKey(round[1], _mm_aeskeygenassist_si128(round[1], 0x02));
  round[3] = NextRoundKey(round[2], _mm_aeskeygenassist_si128(round[2], 0x04));
  round[4] = NextRoundKey(round[3], _mm_aeskeygenassist_si128(round[3], 0x08));
  round[5] = NextRoundKey(round[4], _mm_aeskeygenassist_si128(round[4], 0x10));
  round[6] = NextRoundKey(round[5], _mm_aeskeygenassist_si128(round[5], 0x20));
  round[7] = NextRoundKey(round[6], _mm_aeskeygenassist_si128(round[6], 0x40));
  round[8] = NextRoundKey(round[7], _mm_aeskeygenassist_si128(round[7], 0x80));
  round[9] = NextRoundKey(round[8], _mm_aeskeygenassist_si128(round[8], 0x1b));
  round[10] = NextRoundKey(round[9], _mm_aeskeygenassist_si128(round[9], 0x36));
  for (std::size_t i = 0; i <= kCutPrfRounds; ++i) {
    _mm_store_si128(reinterpret_cast<__m128i*>(keys[i].data()), round[i]);
  }
  OPENSSL_cleanse(round, sizeof(round));
}

#else

bool HasAesInstructions() {
  return false;
}
std::uint64_t EncryptHardware(const std::array<std::array<std::byte, 16>, kCutPrfRounds + 1>&,
                              std::uint64_t) {
  return 0;
}
void ExpandHardware(ByteView, std::array<std::array<std::byte, 16>, kCutPrfRounds + 1>&) {}

#endif

}  // namespace

struct CutPrf::Portable {
  explicit Portable(ByteView key) : cipher(EVP_CIPHER_CTX_new()) {
    MOORING_CHECK(cipher != nullptr &&
                  EVP_EncryptInit_ex2(cipher, EVP_aes_128_ecb(),
                                      reinterpret_cast<const unsigned char*>(key.data()), nullptr,
                                      nullptr) == 1);
    EVP_CIPHER_CTX_set_padding(cipher, 0);
  }
  ~Portable() { EVP_CIPHER_CTX_free(cipher); }
  Portable(const Portable&) = delete;
  Portable& operator=(const Portable&) = delete;

  EVP_CIPHER_CTX* cipher;
};

CutPrf::CutPrf(ByteView key, CutPrfKind kind)
    : hardware_(kind == CutPrfKind::kBest && HasAesInstructions()) {
  MOORING_CHECK(key.size() == kCutPrfKeyBytes);
  if (hardware_) {
    ExpandHardware(key, round_keys_);
  } else {
    portable_ = std::make_unique<Portable>(key);
  }
}

CutPrf::~CutPrf() {
  OPENSSL_cleanse(round_keys_.data(), sizeof(round_keys_));
}

std::uint64_t CutPrf::Of(std::uint64_t fingerprint) const {
  if (hardware_) return EncryptHardware(round_keys_, fingerprint);
  // A copy of the context for each call, so that threads can share this object.
  EVP_CIPHER_CTX* const cipher = EVP_CIPHER_CTX_new();
  MOORING_CHECK(cipher != nullptr && EVP_CIPHER_CTX_copy(cipher, portable_->cipher) == 1);
  std::array<unsigned char, 16> in{};
  for (std::size_t i = 0; i < 8; ++i) {
    in[i] = static_cast<unsigned char>((fingerprint >> (8 * i)) & 0xff);
  }
  std::array<unsigned char, 16> out{};
  int bytes = 0;
  MOORING_CHECK(EVP_EncryptUpdate(cipher, out.data(), &bytes, in.data(), 16) == 1 && bytes == 16);
  EVP_CIPHER_CTX_free(cipher);
  std::uint64_t value = 0;
  for (std::size_t i = 8; i-- > 0;) value = (value << 8) | out[i];
  return value;
}

}  // namespace mooring::storage

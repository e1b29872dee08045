#include "tests/bench/limits.h"

#include <array>
#include <cstdint>
#include <cstring>

#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <time.h>

#include "storage/base/bytes.h"
#include "storage/base/check.h"
#include "storage/base/random.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr double kMeasureSeconds = 0.2;

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Best of five runs of `work`, which handles kPieceBytes.
template <typename Work>
double BytesPerSecond(Work work) {
  double best = 0;
  for (int run = 0; run < 5; ++run) {
    const double start = CpuSeconds();
    double bytes = 0;
    double spent = 0;
    do {
      work();
      bytes += static_cast<double>(kPieceBytes);
      spent = CpuSeconds() - start;
    } while (spent < kMeasureSeconds / 5);
    best = std::max(best, bytes / spent);
  }
  return best;
}

Limits Measure() {
  SeededRandom random(1);
  Bytes in(kPieceBytes);
  random.Fill(in);
  Bytes out(kPieceBytes + 16);
  const auto* const from = reinterpret_cast<const unsigned char*>(in.data());
  auto* const to = reinterpret_cast<unsigned char*>(out.data());
  Limits limits;

  EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  limits.sha256 = BytesPerSecond([&] {
    unsigned int length = 0;
    MOORING_CHECK(EVP_Digest(from, in.size(), to, &length, sha256, nullptr) == 1);
  });
  EVP_MD_free(sha256);

  EVP_CIPHER* const gcm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  EVP_CIPHER_CTX* const cipher = EVP_CIPHER_CTX_new();
  limits.aes_256_gcm = BytesPerSecond([&] {
    int length = 0;
    MOORING_CHECK(EVP_EncryptInit_ex2(cipher, gcm, from, from, nullptr) == 1 &&
                  EVP_EncryptUpdate(cipher, to, &length, from, static_cast<int>(in.size())) == 1 &&
                  EVP_EncryptFinal_ex(cipher, to, &length) == 1);
  });
  EVP_CIPHER_CTX_free(cipher);
  EVP_CIPHER_free(gcm);

  limits.memory_copy = BytesPerSecond([&] {
    std::memcpy(out.data(), in.data(), in.size());
    benchmark::ClobberMemory();
  });

  std::array<std::uint64_t, 256> table;
  random.Fill(std::as_writable_bytes(std::span(table)));
  std::uint64_t fingerprint = 0;
  limits.gear = BytesPerSecond([&] {
    std::uint64_t hits = 0;
    for (const std::byte b : in) {
      fingerprint = (fingerprint << 1) + table[std::to_integer<std::size_t>(b)];
      if ((fingerprint >> 55) == 0) ++hits;
    }
    benchmark::DoNotOptimize(hits);
  });
  return limits;
}

}  // namespace

const Limits& MeasuredLimits() {
  static const Limits kLimits = Measure();
  return kLimits;
}

}  // namespace mooring::testing

// PhoneStream: bytes to and from one service of a phone, with our own patience.
//
// The library's own reads give up after 30 seconds and throw away what they had,
// which desynchronizes the conversation. Here a read continues where it stands
// for as long as the phone may take, and the waiting is told to whoever listens.

#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "agent/device/socket_wait.h"
#include "agent/ios/pair_record.h"
#include "storage/base/bytes.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"

struct ssl_st;
struct ssl_ctx_st;

namespace mooring::agent {

// Thread-bound. After any error but kNotFound of Poll the stream is dead.
//
// Errors: kUnavailable (CAUSE_UNPLUGGED) when the other end closed,
// kDeadlineExceeded (CAUSE_PHONE_STALLED) after `silence_max` without a byte,
// kCancelled and kDeadlineExceeded as the context asks, and whatever the
// listener returns.
class PhoneStream {
 public:
  virtual ~PhoneStream() = default;

  // Fills all of `out`.
  virtual absl::Status Read(const OpContext& ctx, std::span<std::byte> out) = 0;
  // Writes all of `bytes`.
  virtual absl::Status Write(const OpContext& ctx, ByteView bytes) = 0;
  // True when a Read would find bytes now.
  virtual bool HasInput() = 0;
  virtual void SetQuietListener(QuietListener listener) = 0;
};

// Over a connected socket, which must outlive the stream; TLS once asked for.
class SocketPhoneStream final : public PhoneStream {
 public:
  // Makes `socket` non-blocking.
  static absl::StatusOr<std::unique_ptr<SocketPhoneStream>> Make(Clock& clock, int socket,
                                                                 absl::Duration silence_max);
  ~SocketPhoneStream() override;

  // TLS as client with the pairing's certificates. The phone must hold the key
  // of the device certificate that was issued at pairing. kUnauthenticated: it
  // does not, or it does not accept ours.
  absl::Status StartTls(const OpContext& ctx, const PairRecord& pairing);

  absl::Status Read(const OpContext& ctx, std::span<std::byte> out) override;
  absl::Status Write(const OpContext& ctx, ByteView bytes) override;
  bool HasInput() override;
  void SetQuietListener(QuietListener listener) override {
    wait_.SetQuietListener(std::move(listener));
  }

 private:
  struct FreeTls {
    void operator()(ssl_st* tls) const;
    void operator()(ssl_ctx_st* context) const;
  };
  enum class Step { kDone, kWantRead, kWantWrite, kClosed, kFailed };

  SocketPhoneStream(Clock& clock, int socket, absl::Duration silence_max)
      : socket_(socket), wait_(clock, socket, silence_max, "iPhone") {}

  Step ReadSome(std::span<std::byte> out, std::size_t& moved);
  Step WriteSome(ByteView bytes, std::size_t& moved);
  Step TlsStep(int result) const;
  // Until the socket is ready, or for good when it will not be.
  absl::Status Await(const OpContext& ctx, Step wanted);
  absl::Status CheckPeer(const PairRecord& pairing) const;

  const int socket_;
  SocketWait wait_;
  std::unique_ptr<ssl_ctx_st, FreeTls> tls_context_;
  std::unique_ptr<ssl_st, FreeTls> tls_;
};

}  // namespace mooring::agent

#include "agent/ios/phone_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// Largest piece for one call into TLS, whose lengths are ints.
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

struct FreeOpenSsl {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Owned = std::unique_ptr<T, FreeOpenSsl>;

Owned<BIO> MemoryBio(ByteView bytes) {
  return Owned<BIO>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

Owned<X509> ParseCertificate(std::string_view pem) {
  const Owned<BIO> bio = MemoryBio(AsBytes(pem));
  return Owned<X509>(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

absl::Status Closed() {
  return Failure(absl::StatusCode::kUnavailable, v1::CAUSE_UNPLUGGED,
                 "the connection to the iPhone ended",
                 "Check the cable and plug the iPhone in again");
}

absl::Status NotTrusted(std::string_view why) {
  ERR_clear_error();
  return Failure(absl::StatusCode::kUnauthenticated, v1::CAUSE_TRUST_PENDING,
                 fmt::format("secure connection to the iPhone: {}: pair again", why),
                 "Unplug the iPhone, plug it in again, tap Trust");
}

}  // namespace

void SocketPhoneStream::FreeTls::operator()(ssl_st* tls) const {
  SSL_free(tls);
}
void SocketPhoneStream::FreeTls::operator()(ssl_ctx_st* context) const {
  SSL_CTX_free(context);
}

absl::StatusOr<std::unique_ptr<SocketPhoneStream>> SocketPhoneStream::Make(
    Clock& clock, int socket, absl::Duration silence_max) {
  const int flags = fcntl(socket, F_GETFL);
  if (flags < 0 || fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0) {
    return absl::InternalError("phone connection: not a usable socket");
  }
  return std::unique_ptr<SocketPhoneStream>(new SocketPhoneStream(clock, socket, silence_max));
}

SocketPhoneStream::~SocketPhoneStream() = default;

absl::Status SocketPhoneStream::StartTls(const OpContext& ctx, const PairRecord& pairing) {
  tls_context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = tls_context_.get();
  // Phones and older pairings use SHA-1 and short keys. The peer is checked by
  // its key below, not by a chain. Set on this context alone: gRPC shares OpenSSL.
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const Owned<X509> certificate = ParseCertificate(pairing.root_certificate);
  const Owned<BIO> key_bio = MemoryBio(pairing.root_private_key.view());
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  if (!certificate || !key || SSL_CTX_use_certificate(context, certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return NotTrusted("the pairing's certificate is not usable");
  }
  tls_.reset(SSL_new(context));
  if (!tls_ || SSL_set_fd(tls_.get(), socket_) != 1) return NotTrusted("no memory");
  wait_.Restart();
  while (true) {
    ERR_clear_error();
    const Step step = TlsStep(SSL_connect(tls_.get()));
    if (step == Step::kDone) return CheckPeer(pairing);
    if (step == Step::kClosed) return NotTrusted("the iPhone closed it");
    if (step == Step::kFailed) return NotTrusted("the handshake failed");
    MOORING_RETURN_IF_ERROR(Await(ctx, step));
  }
}

absl::Status SocketPhoneStream::CheckPeer(const PairRecord& pairing) const {
  const Owned<X509> expected = ParseCertificate(pairing.device_certificate);
  const Owned<X509> presented(SSL_get1_peer_certificate(tls_.get()));
  if (!expected || !presented) return NotTrusted("no certificate");
  const Owned<EVP_PKEY> expected_key(X509_get_pubkey(expected.get()));
  const Owned<EVP_PKEY> presented_key(X509_get_pubkey(presented.get()));
  if (!expected_key || !presented_key ||
      EVP_PKEY_eq(expected_key.get(), presented_key.get()) != 1) {
    return NotTrusted("another device answered");
  }
  return absl::OkStatus();
}

SocketPhoneStream::Step SocketPhoneStream::TlsStep(int result) const {
  if (result > 0) return Step::kDone;
  switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Step::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return Step::kWantWrite;
    case SSL_ERROR_ZERO_RETURN:
    case SSL_ERROR_SYSCALL:
      return Step::kClosed;
    default:
      // A phone that is unplugged ends without a TLS close.
      return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING ? Step::kClosed
                                                                                    : Step::kFailed;
  }
}

SocketPhoneStream::Step SocketPhoneStream::ReadSome(std::span<std::byte> out, std::size_t& moved) {
  const std::size_t want = std::min(out.size(), kPieceBytes);
  if (tls_) {
    ERR_clear_error();
    const int result = SSL_read(tls_.get(), out.data(), static_cast<int>(want));
    moved = result > 0 ? static_cast<std::size_t>(result) : 0;
    return TlsStep(result);
  }
  const ssize_t result = recv(socket_, out.data(), want, 0);
  moved = result > 0 ? static_cast<std::size_t>(result) : 0;
  if (result > 0) return Step::kDone;
  return result < 0 && (errno == EAGAIN || errno == EINTR) ? Step::kWantRead : Step::kClosed;
}

SocketPhoneStream::Step SocketPhoneStream::WriteSome(ByteView bytes, std::size_t& moved) {
  const std::size_t want = std::min(bytes.size(), kPieceBytes);
  if (tls_) {
    ERR_clear_error();
    const int result = SSL_write(tls_.get(), bytes.data(), static_cast<int>(want));
    moved = result > 0 ? static_cast<std::size_t>(result) : 0;
    return TlsStep(result);
  }
  const ssize_t result = send(socket_, bytes.data(), want, MSG_NOSIGNAL);
  moved = result > 0 ? static_cast<std::size_t>(result) : 0;
  if (result > 0) return Step::kDone;
  return result < 0 && (errno == EAGAIN || errno == EINTR) ? Step::kWantWrite : Step::kClosed;
}

absl::Status SocketPhoneStream::Await(const OpContext& ctx, Step wanted) {
  const bool writing = wanted == Step::kWantWrite;
  return wait_.Await(ctx, {.reading = !writing, .writing = writing});
}

absl::Status SocketPhoneStream::Read(const OpContext& ctx, std::span<std::byte> out) {
  wait_.Restart();
  while (!out.empty()) {
    std::size_t moved = 0;
    const Step step = ReadSome(out, moved);
    if (step == Step::kClosed || step == Step::kFailed) return Closed();
    if (step == Step::kDone) {
      out = out.subspan(moved);
      if (!out.empty()) wait_.Restart();
      continue;
    }
    MOORING_RETURN_IF_ERROR(Await(ctx, step));
  }
  return CheckNotStopped(ctx);
}

absl::Status SocketPhoneStream::Write(const OpContext& ctx, ByteView bytes) {
  wait_.Restart();
  while (!bytes.empty()) {
    std::size_t moved = 0;
    const Step step = WriteSome(bytes, moved);
    if (step == Step::kClosed || step == Step::kFailed) return Closed();
    if (step == Step::kDone) {
      bytes = bytes.subspan(moved);
      if (!bytes.empty()) wait_.Restart();
      continue;
    }
    MOORING_RETURN_IF_ERROR(Await(ctx, step));
  }
  return absl::OkStatus();
}

bool SocketPhoneStream::HasInput() {
  if (tls_) {
    // A readable socket may hold no more than a session ticket: let TLS look.
    ERR_clear_error();
    std::byte next{};
    return SSL_peek(tls_.get(), &next, 1) > 0;
  }
  pollfd poll_for{.fd = socket_, .events = POLLIN, .revents = 0};
  return poll(&poll_for, 1, 0) > 0;
}

}  // namespace mooring::agent

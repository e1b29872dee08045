#include "agent/state/pinned_ca.h"

#include <poll.h>

#include <fmt/format.h>
#include <openssl/err.h>

#include "agent/state/certificate.h"
#include "agent/state/openssl_handles.h"
#include "storage/base/secret_bytes.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

absl::Status NotReached(const std::string& address, std::string_view why) {
  ERR_clear_error();
  return absl::UnavailableError(ToAbsl(fmt::format(
      "{} cannot be reached: {}; check the address, the network and the firewall", address, why)));
}

std::string Pem(X509* certificate) {
  const BioHandle bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

bool IssuedBy(X509* leaf, X509* ca) {
  const StoreHandle store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), ca);
  const StoreContextHandle context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), leaf, nullptr);
  X509_STORE_CTX_set_default(context.get(), "ssl_server");
  return X509_verify_cert(context.get()) == 1;
}

// The connection does not block (BIO_do_connect_retry left it so).
bool ShakeHands(BIO* tls, BIO* connection, absl::Duration timeout) {
  int fd = -1;
  if (BIO_get_fd(connection, &fd) < 0) return false;
  const auto wait_ms = static_cast<int>(absl::ToInt64Milliseconds(timeout));
  while (BIO_do_handshake(tls) != 1) {
    if (!BIO_should_retry(tls)) return false;
    pollfd ready{fd, static_cast<short>(BIO_should_write(tls) ? POLLOUT : POLLIN), 0};
    if (poll(&ready, 1, wait_ms) <= 0) return false;
  }
  return true;
}

absl::StatusOr<std::string> FindPinned(SSL* tls, ByteView pin, const std::string& address) {
  STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(tls);
  const int count = chain == nullptr ? 0 : sk_X509_num(chain);
  for (int i = 0; i < count; ++i) {
    X509* const candidate = sk_X509_value(chain, i);
    const std::string pem = Pem(candidate);
    const absl::StatusOr<Bytes> hash = PublicKeyHash(pem);
    if (!hash.ok() || !SecretBytes::Equal(*hash, pin)) continue;
    if (!IssuedBy(sk_X509_value(chain, 0), candidate)) {
      return absl::PermissionDeniedError(ToAbsl(fmt::format(
          "{} shows the right CA but a certificate that this CA did not issue for a server",
          address)));
    }
    return pem;
  }
  return absl::PermissionDeniedError(ToAbsl(fmt::format(
      "{} is not the server that this invitation was made for (its CA is another); nothing was "
      "sent. Ask your administrator for the address, or for a new invitation",
      address)));
}

}  // namespace

absl::StatusOr<std::string> FetchPinnedCa(const std::string& address, ByteView pin,
                                          absl::Duration timeout) {
  const TlsContextHandle context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  // Who it is, is judged below by the pin; nothing is sent before.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  const BioHandle bio(BIO_new_ssl_connect(context.get()));
  SSL* tls = nullptr;
  BIO_get_ssl(bio.get(), &tls);
  // gRPC servers insist on their protocol.
  static constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_set_alpn_protos(tls, kHttp2, sizeof(kHttp2));
  BIO_set_conn_hostname(bio.get(), address.c_str());
  BIO* const connection = BIO_find_type(bio.get(), BIO_TYPE_CONNECT);
  if (BIO_do_connect_retry(connection, static_cast<int>(absl::ToInt64Seconds(timeout)), 100) != 1) {
    return NotReached(address, "no answer");
  }
  if (!ShakeHands(bio.get(), connection, timeout)) {
    return NotReached(address, "it does not speak TLS 1.3 as a Mooring server does");
  }
  return FindPinned(tls, pin, address);
}

}  // namespace mooring::agent

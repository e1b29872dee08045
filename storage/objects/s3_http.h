// S3Http: one HTTP request after another over libcurl, with kept connections.
// Knows nothing of S3.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "storage/base/bytes.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/op_context.h"
#include "storage/objects/s3_settings.h"
#include "storage/objects/sigv4.h"

namespace mooring::storage {

struct HttpRequest {
  std::string method;
  std::string url;
  S3Pairs headers = {};
  // PUT and POST send it, empty too. Read during the call alone.
  ByteView body = {};
  // Where a 2xx answer's body goes; none: into the reply's text.
  std::optional<std::span<std::byte>> into = {};
};

struct HttpReply {
  int status = 0;
  std::map<std::string, std::string, std::less<>> headers;  // Names in lower case.
  std::string text;
  std::size_t into_bytes = 0;

  // Empty where there is none.
  std::string_view Header(std::string_view name) const;
};

// Thread-safe: each request has a connection for itself.
class S3Http {
 public:
  // `clock` outlives this.
  S3Http(const S3Settings& settings, Clock& clock);
  ~S3Http();
  S3Http(const S3Http&) = delete;
  S3Http& operator=(const S3Http&) = delete;

  // Any answer is OK, whatever its status. Follows no redirect and uses no proxy.
  //
  // kUnavailable: no connection, or it stalled or broke: the request may have had
  // its effect. kDataLoss: the answer broke off, or is longer than there is room
  // for. kFailedPrecondition: the store's certificate is not trusted.
  absl::StatusOr<HttpReply> Perform(const OpContext& ctx, const HttpRequest& request);

 private:
  struct Handle;
  struct Exchange;

  std::unique_ptr<Handle> TakeHandle();
  void KeepHandle(std::unique_ptr<Handle> handle);
  absl::Status Prepare(Handle& handle, const OpContext& ctx, const HttpRequest& request,
                       Exchange& exchange) const;
  absl::Status StatusOf(int curl_code, const Handle& handle, const OpContext& ctx,
                        const Exchange& exchange) const;

  const S3Settings settings_;
  Clock& clock_;

  Mutex mutex_;
  std::vector<std::unique_ptr<Handle>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::storage

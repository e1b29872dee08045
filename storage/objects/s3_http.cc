#include "storage/objects/s3_http.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/objects/object_store.h"
#include "storage/objects/s3_xml.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kIdleHandlesMax = 16;
constexpr std::size_t kHeaderBytesMax = 64 << 10;
constexpr std::int64_t kRequestSecondsMax = 900;
constexpr long kReceiveBufferBytes = 256 << 10;
constexpr long kSendBufferBytes = 256 << 10;

// libcurl's own start, once in a process; it is never ended, as other users may go on.
void StartCurl() {
  static const CURLcode kStarted = curl_global_init(CURL_GLOBAL_DEFAULT);
  MOORING_CHECK(kStarted == CURLE_OK);
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

std::string_view HttpReply::Header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

// A curl handle with the connection that it keeps.
struct S3Http::Handle {
  Handle() : curl(curl_easy_init()) { MOORING_CHECK(curl != nullptr); }
  ~Handle() { curl_easy_cleanup(curl); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  CURL* const curl;
  std::array<char, CURL_ERROR_SIZE> error{};
};

// What one request needs while curl calls back.
struct S3Http::Exchange {
  ~Exchange() { curl_slist_free_all(headers); }

  static std::size_t OnHeader(char* bytes, std::size_t size, std::size_t count, void* self) {
    return static_cast<Exchange*>(self)->Header({bytes, size * count});
  }
  static std::size_t OnBody(char* bytes, std::size_t size, std::size_t count, void* self) {
    return static_cast<Exchange*>(self)->Body({bytes, size * count});
  }
  static int OnProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const Exchange& exchange = *static_cast<Exchange*>(self);
    return exchange.ctx->stop.stop_requested() ? 1 : 0;
  }

  std::size_t Header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > kHeaderBytesMax) return 0;
    const std::size_t colon = line.find(':');
    if (line.substr(0, 5) == "HTTP/") {
      reply.headers.clear();  // What came before was an interim answer.
    } else if (colon != std::string_view::npos) {
      reply.headers[LowerCase(line.substr(0, colon))] = std::string(Trim(line.substr(colon + 1)));
    }
    return line.size();
  }

  std::size_t Body(std::string_view bytes) {
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (into && status >= 200 && status < 300) {
      if (bytes.size() > into->size() - reply.into_bytes) return Overflow();
      std::copy_n(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(),
                  into->begin() + static_cast<std::ptrdiff_t>(reply.into_bytes));
      reply.into_bytes += bytes.size();
      return bytes.size();
    }
    if (bytes.size() > kS3XmlBytesMax - reply.text.size()) return Overflow();
    reply.text += bytes;
    return bytes.size();
  }

  std::size_t Overflow() {
    has_overflowed = true;
    return 0;
  }

  CURL* curl = nullptr;
  const OpContext* ctx = nullptr;
  std::optional<std::span<std::byte>> into;
  curl_slist* headers = nullptr;
  std::size_t header_bytes = 0;
  bool has_overflowed = false;
  HttpReply reply;
};

S3Http::S3Http(const S3Settings& settings, Clock& clock) : settings_(settings), clock_(clock) {
  StartCurl();
}

S3Http::~S3Http() = default;

std::unique_ptr<S3Http::Handle> S3Http::TakeHandle() {
  MutexLock lock(mutex_);
  if (idle_.empty()) return std::make_unique<Handle>();
  std::unique_ptr<Handle> handle = std::move(idle_.back());
  idle_.pop_back();
  return handle;
}

void S3Http::KeepHandle(std::unique_ptr<Handle> handle) {
  // Its connection stays; all that names this request goes.
  curl_easy_reset(handle->curl);
  MutexLock lock(mutex_);
  if (idle_.size() < kIdleHandlesMax) idle_.push_back(std::move(handle));
}

absl::StatusOr<HttpReply> S3Http::Perform(const OpContext& ctx, const HttpRequest& request) {
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  std::unique_ptr<Handle> handle = TakeHandle();
  Exchange exchange;
  MOORING_RETURN_IF_ERROR(Prepare(*handle, ctx, request, exchange));
  const CURLcode code = curl_easy_perform(handle->curl);
  long status = 0;
  curl_easy_getinfo(handle->curl, CURLINFO_RESPONSE_CODE, &status);
  if (code != CURLE_OK) return StatusOf(code, *handle, ctx, exchange);
  exchange.reply.status = static_cast<int>(status);
  KeepHandle(std::move(handle));
  return std::move(exchange.reply);
}

absl::Status S3Http::Prepare(Handle& handle, const OpContext& ctx, const HttpRequest& request,
                             Exchange& exchange) const {
  exchange.curl = handle.curl;
  exchange.ctx = &ctx;
  exchange.into = request.into;
  const auto add_header = [&exchange](const std::string& line) {
    curl_slist* const longer = curl_slist_append(exchange.headers, line.c_str());
    MOORING_CHECK(longer != nullptr);
    exchange.headers = longer;
  };
  for (const auto& [name, value] : request.headers) add_header(fmt::format("{}: {}", name, value));
  // No round trip before a body, and no headers that were not signed.
  for (const char* none : {"Expect:", "Accept:", "Content-Type:"}) add_header(none);

  CURL* const curl = handle.curl;
  handle.error.fill('\0');
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, handle.error.data());
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange.headers);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kReceiveBufferBytes);
  curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, kSendBufferBytes);
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
  if (!settings_.ca_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, settings_.ca_file.c_str());
    curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);
  }
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Exchange::OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Exchange::OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Exchange::OnProgress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &exchange);

  absl::Duration limit = absl::Seconds(kRequestSecondsMax);
  if (ctx.deadline != absl::InfiniteFuture()) limit = std::min(limit, ctx.deadline - clock_.Now());
  const auto ms = [](absl::Duration d) {
    return std::max<std::int64_t>(1, absl::ToInt64Milliseconds(d));
  };
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, long{ms(limit)});
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   long{ms(std::min(limit, settings_.connect_timeout))});
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                   long{std::max<std::int64_t>(1, absl::ToInt64Seconds(settings_.stall_timeout))});

  if (request.method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (request.method == "PUT" || request.method == "POST") {
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    // Not copied. An empty view may have no address, and curl would ask for a reader then.
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                     request.body.empty() ? "" : AsText(request.body).data());
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else {
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  return absl::OkStatus();
}

absl::Status S3Http::StatusOf(int curl_code, const Handle& handle, const OpContext& ctx,
                              const Exchange& exchange) const {
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  const auto code = static_cast<CURLcode>(curl_code);
  const char* const detail =
      handle.error.front() != '\0' ? handle.error.data() : curl_easy_strerror(code);
  const std::string text = fmt::format("object store {}: {}", settings_.endpoint, detail);
  if (exchange.has_overflowed) {
    return absl::DataLossError(fmt::format(
        "object store {}: an answer is longer than what was asked for", settings_.endpoint));
  }
  switch (code) {
    case CURLE_PARTIAL_FILE:
      return absl::DataLossError(text);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return absl::FailedPreconditionError(fmt::format("{}; see s3.ca_file", text));
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::InvalidArgumentError(text);
    default:
      return absl::UnavailableError(text);
  }
}

}  // namespace mooring::storage

// MiniHttp: an HTTP/1.1 server of plain sockets on 127.0.0.1, whose answers a test
// can break: late, cut short, or none at all.

#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <absl/time/time.h>

#include "storage/base/mutex.h"

namespace mooring::testing {

struct MiniHttpRequest {
  std::string method;
  std::string target;                          // As sent: path and query.
  std::map<std::string, std::string> headers;  // Names in lower case, values trimmed.
  std::string body;
};

struct MiniHttpReply {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // HEAD: the length that is told, for nothing is sent.
  std::optional<std::size_t> told_length;
  // Sends only so much of the body and closes the connection.
  std::optional<std::size_t> cut_after;
  // Closes the connection in place of an answer.
  bool is_dropped = false;
  // Says nothing and keeps the connection until the peer or the server ends it.
  bool is_stalled = false;
};

// One thread a connection; the handler is called from all of them.
class MiniHttp {
 public:
  using Handler = std::function<MiniHttpReply(const MiniHttpRequest&)>;

  explicit MiniHttp(Handler handler);
  ~MiniHttp();
  MiniHttp(const MiniHttp&) = delete;
  MiniHttp& operator=(const MiniHttp&) = delete;

  // 127.0.0.1:PORT
  std::string address() const;
  // Connections taken so far: fewer than requests, if they are kept.
  int connections();

 private:
  void Accept();
  void Serve(int fd);
  bool SendReply(int fd, const MiniHttpRequest& request, const MiniHttpReply& reply);

  const Handler handler_;
  int listener_ = -1;
  int port_ = 0;

  Mutex mutex_;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int connections_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<int> open_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_ ABSL_GUARDED_BY(mutex_);
  std::jthread acceptor_;
};

}  // namespace mooring::testing

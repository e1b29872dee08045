// MiniS3: an S3 store of one bucket in this process, as strict as a real one and
// as faulty as a test wants it. It checks every request's signature itself.
//
// What it does follows AWS's API reference; what stores differ in is an option.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "tests/support/mini_http.h"

namespace mooring::testing {

struct MiniS3Options {
  std::string bucket = "backups";
  std::string access_key = "AKIDMINI";
  std::string secret_key = "mini-secret";
  bool conditional_put = true;
  bool checksum_sha256 = true;
  bool etag_is_md5 = true;  // Else as under a KMS.
  bool versioning = true;   // With object lock.
  bool default_retention = false;
  std::size_t page_keys = 3;
};

enum class MiniS3Fault {
  kInternalError,  // 500, nothing done.
  kSlowDown,       // 503, nothing done.
  kDropBefore,     // The connection ends, nothing done.
  kDropAfter,      // Done; the connection ends in place of the answer.
  kStallAfter,     // Done; no answer ever comes.
  kStoreHalf,      // 200, and half of the body is stored (of a completed upload, too).
  kCutAnswer,      // Half of the answer's body.
  kWrongEtag,      // In the answer alone.
  kAbsent,         // 404 for what is there.
  kLosePart,       // 200 for a part, which is forgotten.
  kExpired,        // 400 ExpiredToken, as after a session's end.
  kDenied,         // 403 AccessDenied.
  kErrorUnder200,  // An <Error> in a 200, as S3 does when it completes an upload.
  kForgetUpload,   // 404 NoSuchUpload, and the upload is gone.
};

// Thread-safe.
class MiniS3 {
 public:
  explicit MiniS3(Clock& clock, MiniS3Options options = {});

  std::string endpoint() const { return "http://" + http_.address(); }
  const MiniS3Options& options() const { return options_; }
  MiniHttp& http() { return http_; }

  // The next `times` requests whose "METHOD target" contains `match` meet `fault`, after
  // `skip` that do not.
  void Fail(MiniS3Fault fault, const std::string& match, int times = 1, int skip = 0);
  void Heal();
  // Only these are let in from now on; requests with others are InvalidAccessKeyId.
  void SetCredentials(const std::string& access_key, const std::string& secret_key);

  // "METHOD target" of all requests since the last call.
  std::vector<std::string> TakeLog();
  // Of those, how many contain `match`.
  int Count(const std::string& match);
  // The last request, as it came.
  MiniHttpRequest last_request();

  // Behind the API's back. The newest version's body; empty if there is none.
  std::string Body(const std::string& key);
  void SetBody(const std::string& key, const std::string& body);
  // Versions and markers of the key.
  std::size_t Versions(const std::string& key);
  std::size_t open_uploads();
  // Makes an upload look as if it had begun then.
  void AgeUploads(absl::Time begun_at);

 private:
  struct Version {
    std::string id;
    std::string body;
    std::string etag;
    std::string checksum;
    absl::Time stored_at;
    absl::Time locked_until = absl::InfinitePast();
    bool is_marker = false;
  };
  struct Upload {
    std::string key;
    absl::Time begun_at;
    std::map<int, std::string> parts;
  };
  struct Planned {
    MiniS3Fault fault;
    std::string match;
    int skip;
    int times;
  };
  // One request, taken apart.
  struct Call {
    const MiniHttpRequest& http;
    std::string key;
    std::map<std::string, std::string> query;
    std::optional<MiniS3Fault> fault;
    bool Has(const std::string& name) const { return query.count(name) > 0; }
  };

  MiniHttpReply Answer(const MiniHttpRequest& request);
  std::optional<MiniS3Fault> FaultOf(const std::string& line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  MiniHttpReply Do(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  MiniHttpReply OnBucket(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  MiniHttpReply OnPut(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  MiniHttpReply OnRead(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  MiniHttpReply OnDelete(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  MiniHttpReply OnRetention(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  MiniHttpReply OnUpload(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  MiniHttpReply OnComplete(const Call& call, Upload& upload) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  MiniHttpReply ListObjects(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  MiniHttpReply ListVersions(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  MiniHttpReply ListUploads() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Version* Newest(const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const Version& Store(const std::string& key, std::string body, std::string etag,
                       std::string checksum) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string EtagOf(const std::string& body) const;

  Clock& clock_;
  const MiniS3Options options_;

  Mutex mutex_;
  std::map<std::string, std::string> secrets_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<Version>> objects_ ABSL_GUARDED_BY(mutex_);  // Newest last.
  std::map<std::string, Upload> uploads_ ABSL_GUARDED_BY(mutex_);
  std::vector<Planned> plan_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> log_ ABSL_GUARDED_BY(mutex_);
  MiniHttpRequest last_request_ ABSL_GUARDED_BY(mutex_);
  int next_id_ ABSL_GUARDED_BY(mutex_) = 1;

  MiniHttp http_;  // Last: it ends before what its handler uses.
};

}  // namespace mooring::testing

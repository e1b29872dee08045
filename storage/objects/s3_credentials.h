// S3CredentialSource: the keys that requests are signed with, read anew when the
// store refuses them, so that they can be rotated while the server runs.

#pragma once

#include <memory>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/file.h"
#include "storage/base/mutex.h"
#include "storage/objects/sigv4.h"

namespace mooring::storage {

// Thread-safe.
class S3CredentialSource {
 public:
  // From `path`, a file that only its owner can read:
  //
  //   aws_access_key_id = AKIA...
  //   aws_secret_access_key = ...
  //   aws_session_token = ...        (only for keys that end)
  //
  // Empty lines, comments (# or ;) and one [section] line are let pass, so AWS's
  // own file with a single profile will do. `files` outlives the source.
  static absl::StatusOr<std::unique_ptr<S3CredentialSource>> FromFile(FileSystem& files,
                                                                      std::string path);
  // For good, as from a process's environment.
  static std::unique_ptr<S3CredentialSource> Fixed(S3Credentials credentials);

  std::shared_ptr<const S3Credentials> Current();

  // The store refused `used`. True if there are others now, or another thread
  // has loaded them already.
  bool Renew(const std::shared_ptr<const S3Credentials>& used);

  // Where they come from, for messages.
  const std::string& origin() const { return origin_; }

 private:
  S3CredentialSource(FileSystem* files, std::string path, S3Credentials first);

  FileSystem* const files_;  // None: fixed.
  const std::string path_;
  const std::string origin_;

  Mutex mutex_;
  std::shared_ptr<const S3Credentials> current_ ABSL_GUARDED_BY(mutex_);
};

// kInvalidArgument: a line that is none of the above, or a key is missing. Never
// says what is in the file.
absl::StatusOr<S3Credentials> ParseS3Credentials(std::string_view text);

}  // namespace mooring::storage

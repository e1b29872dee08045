#include "storage/objects/s3_credentials.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kValueBytesMax = 16 << 10;
constexpr std::string_view kBlanks = " \t\r";

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

absl::Status WrongLine(int line, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("line {}: {}", line, why));
}

// Anything else could end up in a header of its own.
bool IsCredentialText(std::string_view value) {
  return !value.empty() && value.size() <= kValueBytesMax &&
         std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

absl::Status TakeLine(std::string_view line, int number, S3Credentials& credentials) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return WrongLine(number, "is not NAME = VALUE");
  const std::string_view name = Trim(line.substr(0, equals));
  const std::string_view value = Trim(line.substr(equals + 1));
  if (!IsCredentialText(value)) return WrongLine(number, "has no value, or one that cannot be");
  if (name == "aws_access_key_id") {
    credentials.access_key_id = std::string(value);
  } else if (name == "aws_secret_access_key") {
    credentials.secret_access_key = SecretBytes::CopyOf(AsBytes(value));
  } else if (name == "aws_session_token") {
    credentials.session_token = std::string(value);
  }  // Other settings of AWS's file are not ours.
  return absl::OkStatus();
}

absl::StatusOr<S3Credentials> Load(FileSystem& files, const std::string& path) {
  absl::StatusOr<SecretBytes> text = ReadSecretFile(files, path);
  if (!text.ok()) return Annotate(text.status(), fmt::format("S3 credentials {}", path));
  absl::StatusOr<S3Credentials> parsed = ParseS3Credentials(AsText(text->view()));
  if (!parsed.ok()) return Annotate(parsed.status(), fmt::format("S3 credentials {}", path));
  return parsed;
}

}  // namespace

absl::StatusOr<S3Credentials> ParseS3Credentials(std::string_view text) {
  S3Credentials credentials;
  int sections = 0;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      // Which of several would be meant?
      if (++sections > 1) return WrongLine(number, "is a second profile; keep one in this file");
      continue;
    }
    MOORING_RETURN_IF_ERROR(TakeLine(line, number, credentials));
  }
  if (credentials.access_key_id.empty()) {
    return absl::InvalidArgumentError("aws_access_key_id is missing");
  }
  if (credentials.secret_access_key.empty()) {
    return absl::InvalidArgumentError("aws_secret_access_key is missing");
  }
  return credentials;
}

S3CredentialSource::S3CredentialSource(FileSystem* files, std::string path, S3Credentials first)
    : files_(files),
      path_(std::move(path)),
      origin_(files == nullptr ? "the environment" : path_),
      current_(std::make_shared<const S3Credentials>(std::move(first))) {}

absl::StatusOr<std::unique_ptr<S3CredentialSource>> S3CredentialSource::FromFile(FileSystem& files,
                                                                                 std::string path) {
  MOORING_ASSIGN_OR_RETURN(S3Credentials first, Load(files, path));
  return std::unique_ptr<S3CredentialSource>(
      new S3CredentialSource(&files, std::move(path), std::move(first)));
}

std::unique_ptr<S3CredentialSource> S3CredentialSource::Fixed(S3Credentials credentials) {
  return std::unique_ptr<S3CredentialSource>(
      new S3CredentialSource(nullptr, "", std::move(credentials)));
}

std::shared_ptr<const S3Credentials> S3CredentialSource::Current() {
  MutexLock lock(mutex_);
  return current_;
}

bool S3CredentialSource::Renew(const std::shared_ptr<const S3Credentials>& used) {
  {
    MutexLock lock(mutex_);
    if (current_ != used) return true;
  }
  if (files_ == nullptr) return false;
  absl::StatusOr<S3Credentials> loaded = Load(*files_, path_);
  // Half written, or taken away for a moment: the old ones stay.
  if (!loaded.ok()) return false;
  if (loaded->access_key_id == used->access_key_id &&
      loaded->session_token == used->session_token &&
      SecretBytes::Equal(loaded->secret_access_key.view(), used->secret_access_key.view())) {
    return false;
  }
  MutexLock lock(mutex_);
  current_ = std::make_shared<const S3Credentials>(*std::move(loaded));
  return true;
}

}  // namespace mooring::storage

#include "tests/ceph/ceph_gateway.h"

#include <signal.h>

#include <sstream>

#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include "storage/base/clock.h"
#include "storage/base/random.h"
#include "storage/base/status.h"

namespace mooring::testing {
namespace {

constexpr absl::Duration kStartMax = absl::Seconds(180);
constexpr absl::Duration kStopMax = absl::Seconds(30);

}  // namespace

CephGateway::CephGateway() {
  script_ = std::make_unique<Background>(
      std::vector<std::string>{std::string(MOORING_SOURCE_DIR) + "/tests/ceph/rgw",
                               dir_.path() + "/gateway"},
      Environment{}, dir_.path() + "/rgw.out", dir_.path() + "/rgw.err");
  const std::string ready = dir_.path() + "/gateway/ready";
  const absl::Time until = absl::Now() + kStartMax;
  while (ReadText(ready).empty() && script_->running() && absl::Now() < until) {
    absl::SleepFor(absl::Milliseconds(100));
  }
  std::stringstream lines(ReadText(ready));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find('=');
    if (equals != std::string::npos) facts_[line.substr(0, equals)] = line.substr(equals + 1);
  }
  if (facts_.empty()) {
    ADD_FAILURE() << "the gateway did not start (deploy/install-deps --tests installs Ceph):\n"
                  << ReadText(dir_.path() + "/rgw.err");
    return;
  }
  const std::string text = "aws_access_key_id = " + facts_.at("access_key") +
                           "\naws_secret_access_key = " + facts_.at("secret_key") + "\n";
  const absl::Status written =
      WriteFileDurably(RealFileSystem(), credentials_file(), AsBytes(text), 0600);
  EXPECT_TRUE(written.ok()) << written;
}

CephGateway::~CephGateway() {
  script_->Signal(SIGTERM);
  EXPECT_EQ(script_->Wait(kStopMax), 0) << ReadText(dir_.path() + "/rgw.err");
}

storage::S3Settings CephGateway::Settings(const std::string& bucket) const {
  storage::S3Settings settings;
  settings.bucket = bucket;
  settings.endpoint = https();
  settings.ca_file = ca_file();
  settings.region = "default";
  return settings;
}

std::unique_ptr<storage::S3CredentialSource> CephGateway::Credentials() const {
  auto source = storage::S3CredentialSource::FromFile(RealFileSystem(), credentials_file());
  EXPECT_TRUE(source.ok()) << source.status();
  return *std::move(source);
}

absl::Status CephGateway::MakeBucket(const std::string& bucket, bool with_object_lock) {
  SystemClock clock;
  SystemRandom random;
  storage::S3Client client(Settings(bucket), Credentials(), clock, random);
  storage::S3Request request{.method = "PUT"};
  if (with_object_lock) request.headers = {{"x-amz-bucket-object-lock-enabled", "true"}};
  return client.Call({}, request).status();
}

}  // namespace mooring::testing

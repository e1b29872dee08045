// An S3ObjectStore on a MiniS3, with a clock whose waits take no time.

#pragma once

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "storage/base/random.h"
#include "storage/objects/s3_object_store.h"
#include "tests/support/eager_clock.h"
#include "tests/support/mini_s3.h"
#include "tests/support/subprocess.h"

namespace mooring::storage {

class S3Test : public ::testing::Test {
 protected:
  // A server with `options` and an open store on it.
  void Start(testing::MiniS3Options options = {}) {
    store_.reset();
    server_ = std::make_unique<testing::MiniS3>(clock_, std::move(options));
    WriteCredentials(server_->options().access_key, server_->options().secret_key);
    absl::StatusOr<std::unique_ptr<S3ObjectStore>> opened = Open();
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
    server_->TakeLog();
  }

  absl::StatusOr<std::unique_ptr<S3ObjectStore>> Open() {
    S3Settings settings = settings_;
    settings.bucket = server_->options().bucket;
    settings.endpoint = server_->endpoint();
    absl::StatusOr<std::unique_ptr<S3CredentialSource>> credentials =
        S3CredentialSource::FromFile(RealFileSystem(), credentials_file());
    if (!credentials.ok()) return credentials.status();
    return S3ObjectStore::Open({}, settings, *std::move(credentials), clock_, random_);
  }

  std::string credentials_file() const { return dir_.path() + "/credentials"; }
  void WriteCredentials(const std::string& access_key, const std::string& secret_key) {
    const std::string text =
        "aws_access_key_id = " + access_key + "\naws_secret_access_key = " + secret_key + "\n";
    ASSERT_TRUE(WriteFileDurably(RealFileSystem(), credentials_file(), AsBytes(text), 0600).ok());
  }

  absl::Status Put(std::string_view key, std::string_view body,
                   absl::Time locked_until = absl::InfinitePast()) {
    return store_->Put({}, key, AsBytes(body), locked_until);
  }
  absl::StatusOr<std::string> Get(std::string_view key, std::size_t size = 1 << 16) {
    Bytes out(size);
    const absl::StatusOr<std::size_t> read = store_->ReadAt({}, key, 0, out);
    if (!read.ok()) return read.status();
    out.resize(*read);
    return ToString(out);
  }
  // An object of three parts, in one write.
  absl::Status PutLarge(std::string_view key) {
    absl::StatusOr<std::unique_ptr<ObjectWriter>> writer = store_->NewObject({}, key);
    if (!writer.ok()) return writer.status();
    const absl::Status appended = (*writer)->Append({}, AsBytes(large_));
    if (!appended.ok()) return appended;
    return (*writer)->Commit({}, absl::InfinitePast());
  }

  testing::TempDir dir_;
  testing::EagerClock clock_{absl::Now()};
  SeededRandom random_{11};
  S3Settings settings_;
  std::unique_ptr<testing::MiniS3> server_;
  std::unique_ptr<S3ObjectStore> store_;
  const std::string large_ = [] {
    Bytes bytes((std::size_t{17} << 20) + 3);
    SeededRandom(5).Fill(bytes);
    return ToString(bytes);
  }();
};

}  // namespace mooring::storage

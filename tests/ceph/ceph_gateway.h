// CephGateway: a genuine RADOS Gateway for as long as this lives (tests/ceph/rgw).

#pragma once

#include <map>
#include <memory>
#include <string>

#include <absl/status/status.h>

#include "storage/objects/s3_client.h"
#include "tests/support/subprocess.h"

namespace mooring::testing {

class CephGateway {
 public:
  // Starts it and waits until it answers; FAILs if it does not.
  CephGateway();
  // Ends it in order.
  ~CephGateway();
  CephGateway(const CephGateway&) = delete;
  CephGateway& operator=(const CephGateway&) = delete;

  bool is_ready() const { return !facts_.empty(); }
  const std::string& https() const { return facts_.at("https"); }
  const std::string& ca_file() const { return facts_.at("ca"); }
  // In the form of S3CredentialSource::FromFile.
  std::string credentials_file() const { return dir_.path() + "/credentials"; }

  // How a store with this bucket is reached, over TLS.
  storage::S3Settings Settings(const std::string& bucket) const;
  std::unique_ptr<storage::S3CredentialSource> Credentials() const;
  // Makes a bucket, with object lock if asked for.
  absl::Status MakeBucket(const std::string& bucket, bool with_object_lock);

 private:
  TempDir dir_;
  std::map<std::string, std::string> facts_;
  std::unique_ptr<Background> script_;
};

}  // namespace mooring::testing

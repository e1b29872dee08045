// What an S3 store answers: whoever runs the store, or stands between, chooses it.

#include <cstdlib>

#include "storage/objects/s3_credentials.h"
#include "storage/objects/s3_errors.h"
#include "storage/objects/s3_xml.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace storage = mooring::storage;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto page = storage::ParseS3ListPage(text);
  if (page.ok() && page->objects.size() > size) std::abort();
  const auto versions = storage::ParseS3VersionPage(text);
  // Without a key to go on from, the list would begin anew.
  if (versions.ok() && versions->next_key.empty() && !versions->next_version.empty()) std::abort();
  (void)storage::ParseS3UploadPage(text);
  const storage::S3Error error = storage::ParseS3Error(text);
  if (storage::S3ErrorStatus(400, error, "fuzz").ok() ||
      storage::S3ErrorStatus(200, error, "fuzz").ok())
    std::abort();
  (void)storage::ParseS3Credentials(text);
  return 0;
}

#include "agent/ios/pair_record.h"

#include <cstdlib>
#include <memory>
#include <utility>

#include <openssl/crypto.h>
#include <usbmuxd.h>

#include "agent/ios/plist.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

struct WipeAndFree {
  std::size_t size = 0;
  void operator()(char* memory) const {
    OPENSSL_cleanse(memory, size);
    std::free(memory);
  }
};

}  // namespace

absl::StatusOr<PairRecord> ParsePairRecord(ByteView bytes) {
  MOORING_ASSIGN_OR_RETURN(const Plist plist, Plist::Parse(bytes, PlistLimits{}));
  const PlistView view = plist.view();
  const std::optional<Bytes> device = view.Get("DeviceCertificate").data();
  const std::optional<Bytes> root = view.Get("RootCertificate").data();
  std::optional<Bytes> key = view.Get("RootPrivateKey").data();
  if (!device || !root || !key) {
    return absl::InvalidArgumentError("pair record lacks a certificate or key");
  }
  PairRecord record{.host_id = view.Text("HostID"),
                    .device_certificate = ToString(*device),
                    .root_certificate = ToString(*root),
                    .root_private_key = SecretBytes::CopyOf(*key)};
  OPENSSL_cleanse(key->data(), key->size());
  return record;
}

absl::StatusOr<PairRecord> ReadPairRecord(const std::string& udid) {
  char* data = nullptr;
  std::uint32_t size = 0;
  const int result = usbmuxd_read_pair_record(udid.c_str(), &data, &size);
  const std::unique_ptr<char, WipeAndFree> owned(data, WipeAndFree{size});
  if (result != 0 || data == nullptr || size == 0) {
    return absl::NotFoundError("the iPhone is not paired with this computer");
  }
  return ParsePairRecord(AsBytes(std::string_view(data, size)));
}

}  // namespace mooring::agent

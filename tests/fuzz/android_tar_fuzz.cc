// A tar stream, in pieces.

#include <algorithm>

#include "agent/android/tar_reader.h"
#include "storage/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace agent = mooring::agent;

namespace {

class Counter final : public agent::TarSink {
 public:
  absl::Status BeginMember(const agent::TarMember& member) override {
    MOORING_CHECK(!open_);
    open_ = true;
    left_ = member.size_bytes;
    return absl::OkStatus();
  }
  absl::Status Content(mooring::ByteView bytes) override {
    MOORING_CHECK(open_ && bytes.size() <= left_);
    left_ -= bytes.size();
    return absl::OkStatus();
  }
  absl::Status EndMember() override {
    MOORING_CHECK(open_ && left_ == 0);
    open_ = false;
    return absl::OkStatus();
  }

 private:
  bool open_ = false;
  std::uint64_t left_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  mooring::ByteView input = mooring::testing::FuzzInput(data, size);
  Counter counter;
  agent::TarReader reader(counter);
  const std::size_t piece = size == 0 ? 1 : 1 + std::size_t{data[size - 1]} * 3;
  while (!input.empty()) {
    const mooring::ByteView part = input.first(std::min(piece, input.size()));
    if (!reader.Feed(part).ok()) return 0;
    input = input.subspan(part.size());
  }
  reader.Finish().IgnoreError();
  return 0;
}

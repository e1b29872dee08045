// Frames from bytes that are nobody's, and every content through a frame and back.

#include <algorithm>

#include "storage/base/check.h"
#include "storage/seal/frame.h"
#include "tests/fuzz/fuzz.h"

using mooring::Bytes;
using mooring::ByteView;
using mooring::storage::Compression;
using mooring::storage::DecodeFrame;
using mooring::storage::Frame;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const ByteView input = mooring::testing::FuzzInput(data, size);
  const absl::StatusOr<Bytes> content = DecodeFrame(input);
  if (content.ok()) MOORING_CHECK(content->size() <= mooring::storage::kFrameContentBytesMax);
  for (const Compression compression : {Compression::kNone, Compression::kAlways}) {
    const absl::StatusOr<Frame> frame = Frame::Make(input, compression);
    MOORING_CHECK(frame.ok());
    const absl::StatusOr<Bytes> back = DecodeFrame(frame->view());
    MOORING_CHECK(back.ok() && std::ranges::equal(*back, input));
  }
  return 0;
}

// ServiceStream: one stream of adb's transport, as a service of the phone sees it.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "storage/base/mutex.h"

namespace mooring::testing::android {

// One thread of the service reads, others may write at the same time.
class ServiceStream {
 public:
  virtual ~ServiceStream() = default;
  // What the host sent next; nothing once it closed the stream or went away.
  virtual std::optional<std::string> Read() = 0;
  // Waits until the host has taken it; false once the stream is closed.
  virtual bool Write(std::string_view bytes) = 0;
};

// Gathers what a service writes, as the socket between adbd and its services does: small
// pieces that follow each other go as one. Handed on when the service reads, and when it is
// at its end.
class GatheringStream final : public ServiceStream {
 public:
  explicit GatheringStream(ServiceStream& stream) : stream_(stream) {}
  ~GatheringStream() override { (void)Flush(); }
  GatheringStream(const GatheringStream&) = delete;
  GatheringStream& operator=(const GatheringStream&) = delete;

  std::optional<std::string> Read() override {
    (void)Flush();
    return stream_.Read();
  }
  bool Write(std::string_view bytes) override {
    constexpr std::size_t kHeldMax = 64 << 10;
    MutexLock lock(mutex_);
    held_ += bytes;
    return held_.size() < kHeldMax || stream_.Write(std::exchange(held_, {}));
  }
  bool Flush() {
    MutexLock lock(mutex_);
    return held_.empty() || stream_.Write(std::exchange(held_, {}));
  }

 private:
  ServiceStream& stream_;
  Mutex mutex_;
  std::string held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::testing::android

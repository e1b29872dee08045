// ServiceStream: one stream of adb's transport, as a service of the phone sees it.

#pragma once

#include <optional>
#include <string>
#include <string_view>

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

}  // namespace mooring::testing::android

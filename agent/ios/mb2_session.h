// Mb2Session: one MobileBackup2 conversation over DeviceLink, as a state machine.
//
//   kConnected --Open--> kIdle --Run--> kServing --response--> kIdle --Close--> kClosed
//         any error: kBroken, and nothing more is sent
//
// After a request the phone drives: it asks for files, sends files and
// rearranges them until it sends its response. Every question is answered, one
// that we do not know with an error, because an unanswered one hangs the phone.

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/ios/mb2_transfer.h"
#include "agent/ios/phone_files.h"
#include "agent/ios/plist_channel.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// DeviceLink messages may list every file of a large phone.
inline constexpr PlistLimits kDeviceLinkLimits = {
    .bytes_max = std::uint64_t{64} << 20,
    .depth_max = 64,
    .objects_max = 1'000'000,
    .expanded_objects_max = 2'000'000,
    .expanded_bytes_max = std::uint64_t{128} << 20,
};

// Hears how the conversation goes, on its thread.
class Mb2Listener {
 public:
  virtual ~Mb2Listener() = default;
  // Before each message from the phone is acted on; an error ends the conversation.
  virtual absl::Status OnMessage() = 0;
  virtual void OnPercent(int percent) = 0;
  virtual void OnMoved(std::uint64_t files, std::uint64_t bytes) = 0;
};

// The phone's last word on a request.
struct Mb2Response {
  std::int64_t error_code = 0;
  std::string description;
  TransferCounts received;
  TransferCounts sent;
};

// Thread-bound. Everything given must outlive it.
class Mb2Session {
 public:
  enum class State { kConnected, kIdle, kServing, kClosed, kBroken };

  // `udid` is the directory that the phone's paths must begin with.
  Mb2Session(PhoneStream& stream, std::string udid, PhoneFiles& files, Mb2Listener& listener)
      : channel_(stream, kDeviceLinkLimits),
        udid_(std::move(udid)),
        files_(files),
        listener_(listener) {}

  // Agrees on versions.
  absl::Status Open(const OpContext& ctx);

  // Sends `request` (a dictionary with MessageName) and serves the phone until
  // its response. An error code in the response is a result, not an error.
  absl::StatusOr<Mb2Response> Run(const OpContext& ctx, const Plist& request);

  // Says goodbye where the conversation still stands; errors do not matter any more.
  void Close(const OpContext& ctx);

  State state() const { return state_; }

 private:
  using Handler = absl::Status (Mb2Session::*)(const OpContext&, PlistView);
  struct Verb {
    std::string_view name;
    Handler handle;
  };
  static const std::array<Verb, 12> kVerbs;

  absl::Status OpenSteps(const OpContext& ctx);
  absl::Status Serve(const OpContext& ctx, Mb2Response& response);
  absl::Status Dispatch(const OpContext& ctx, PlistView message, Mb2Response& response,
                        bool& finished);
  absl::Status Download(const OpContext& ctx, PlistView message);
  absl::Status Upload(const OpContext& ctx, PlistView message);
  absl::Status ListDirectory(const OpContext& ctx, PlistView message);
  absl::Status MakeDirectory(const OpContext& ctx, PlistView message);
  absl::Status Move(const OpContext& ctx, PlistView message);
  absl::Status Remove(const OpContext& ctx, PlistView message);
  absl::Status Copy(const OpContext& ctx, PlistView message);
  absl::Status FreeSpace(const OpContext& ctx, PlistView message);
  absl::Status Purge(const OpContext& ctx, PlistView message);

  void TellPercent(PlistView value);
  absl::Status Answer(const OpContext& ctx, std::int64_t code, std::string_view text,
                      Plist payload);
  // Answers with `result` where the phone may know it; otherwise returns it.
  absl::Status AnswerResult(const OpContext& ctx, const absl::Status& result);
  absl::StatusOr<Plist> SendProcessMessage(const OpContext& ctx, Plist request);

  PlistChannel channel_;
  const std::string udid_;
  PhoneFiles& files_;
  Mb2Listener& listener_;
  State state_ = State::kConnected;
  TransferCounts received_;
  TransferCounts sent_;
};

}  // namespace mooring::agent

// ScriptedHost: a small, correct MobileBackup2 host in memory, which can be told to
// make one mistake, so that tests can see that the phone notices.

#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "tests/phones/iphone/channel.h"
#include "tests/phones/iphone/plist.h"

namespace mooring::testing {

enum class Mistake {
  kNone,
  kAcknowledgesEarly,    // Answers an upload before the batch has ended.
  kLargeFrames,          // Sends data frames of 1 MiB.
  kThreeItemAnswers,     // Leaves the payload out of status answers.
  kForgetsAFile,         // Loses the last uploaded payload.
  kHidesAFile,           // Leaves one payload out of listings.
  kLiesAboutSize,        // Lists one payload a byte too long.
  kFlipsAByte,           // Gives Manifest.db back with one bit changed.
  kIgnoresRemove,        // Answers RemoveItems with 0 and removes nothing.
  kSendsZeroForMissing,  // Answers a download that lacks files with status 0.
  kWrongTarget,          // Names another phone in its request.
};

// Thread-bound; one conversation.
class ScriptedHost {
 public:
  ScriptedHost(Channel& channel, std::string udid, Mistake mistake)
      : channel_(channel), udid_(std::move(udid)), mistake_(mistake) {}

  // Handshake, one request, and whatever the phone asks until it responds: its
  // ErrorCode. An error is what a wary host sees when a phone attacks it.
  absl::StatusOr<std::uint64_t> Run(const std::string& request);

  std::map<std::string, std::string>& files() { return files_; }
  const std::vector<std::string>& verbs() const { return verbs_; }

 private:
  absl::StatusOr<Plist> Receive();
  absl::Status Send(const Plist& message);
  absl::Status AnswerStatus(std::int64_t code, std::string_view text, Plist payload);
  absl::Status Serve(const Plist& message);
  absl::Status TakeUploads();
  absl::Status SendDownloads(const Plist& message);
  absl::Status List(const std::string& path);
  void Move(const std::string& from, const std::string& to);
  void RemoveTree(const std::string& path);

  Channel& channel_;
  const std::string udid_;
  const Mistake mistake_;
  std::map<std::string, std::string> files_;  // By path below the backup folder.
  std::vector<std::string> verbs_;
};

}  // namespace mooring::testing

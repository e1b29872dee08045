// CannedAdbDevice: a phone whose commands answer what was written down.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "agent/android/adb_shell.h"
#include "tests/support/scripted_adb_stream.h"

namespace mooring::testing {

class CannedAdbDevice final : public agent::AdbDevice {
 public:
  struct Answer {
    std::string output;
    int status = 0;
    std::string errors;
  };

  // The answer to commands that begin with `start`; the longest start wins.
  void Say(const std::string& start, Answer answer) { answers_[start] = std::move(answer); }
  // From the next command on the phone is gone.
  void Unplug() { gone_ = true; }
  agent::AdbFeatures& features_to_change() { return features_; }

  const agent::AdbFeatures& features() const override { return features_; }
  absl::StatusOr<std::unique_ptr<agent::AdbShell>> Shell(const OpContext&,
                                                         std::string_view command) override {
    commands_ += std::string(command) + "\n";
    if (gone_) return agent::AdbClosed();
    Answer answer{"", 127, "sh: inaccessible or not found\n"};
    std::size_t longest = 0;
    for (const auto& [start, one] : answers_) {
      if (command.starts_with(start) && start.size() >= longest) {
        longest = start.size();
        answer = one;
      }
    }
    std::string script;
    if (!answer.output.empty()) script += ShellPacket(1, answer.output);
    if (!answer.errors.empty()) script += ShellPacket(2, answer.errors);
    script += ShellPacket(3, std::string(1, static_cast<char>(answer.status)));
    return std::make_unique<agent::ShellStream>(
        std::make_unique<ScriptedAdbStream>(std::move(script)));
  }
  absl::StatusOr<std::unique_ptr<agent::AdbSync>> Sync(const OpContext&) override {
    return agent::AdbClosed();
  }
  void SetQuietListener(agent::QuietListener) override {}

  // All commands that were run, one a line.
  const std::string& commands() const { return commands_; }

 private:
  agent::AdbFeatures features_{"shell_v2", "stat_v2", "ls_v2", "cmd"};
  std::map<std::string, Answer> answers_;
  std::string commands_;
  bool gone_ = false;
};

}  // namespace mooring::testing

// ScriptedPhone: a PhoneStream whose other side is a list of bytes made in
// advance, for tests of conversations without a thread. What the host writes is
// kept. At the end of the script the stream is closed, as by an unplug.

#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/ios/phone_stream.h"
#include "agent/ios/plist.h"

namespace mooring::testing {

class ScriptedPhone final : public agent::PhoneStream {
 public:
  explicit ScriptedPhone(std::string script = {}) : script_(std::move(script)) {}

  ScriptedPhone& Raw(std::string_view bytes) {
    script_.append(bytes);
    return *this;
  }
  ScriptedPhone& Length(std::uint32_t value) {
    Bytes bytes;
    AppendBe32(bytes, value);
    return Raw(AsText(bytes));
  }
  ScriptedPhone& Message(const agent::Plist& plist) {
    const Bytes bytes = plist.ToBinary();
    return Length(static_cast<std::uint32_t>(bytes.size())).Raw(AsText(bytes));
  }
  ScriptedPhone& Text(std::string_view text) {
    return Length(static_cast<std::uint32_t>(text.size())).Raw(text);
  }
  ScriptedPhone& Block(char code, std::string_view body) {
    return Length(static_cast<std::uint32_t>(body.size() + 1)).Raw({&code, 1}).Raw(body);
  }

  absl::Status Read(const OpContext&, std::span<std::byte> out) override {
    if (script_.size() - read_ < out.size()) {
      read_ = script_.size();
      return absl::UnavailableError("the script has ended");
    }
    std::copy_n(AsBytes(script_).begin() + static_cast<std::ptrdiff_t>(read_), out.size(),
                out.begin());
    read_ += out.size();
    return absl::OkStatus();
  }
  absl::Status Write(const OpContext&, ByteView bytes) override {
    written_.append(AsText(bytes));
    return absl::OkStatus();
  }
  bool HasInput() override { return read_ < script_.size(); }
  void SetQuietListener(agent::QuietListener) override {}

  const std::string& script() const { return script_; }
  bool at_end() const { return read_ == script_.size(); }
  const std::string& written() const { return written_; }
  void ClearWritten() { written_.clear(); }

 private:
  std::string script_;
  std::size_t read_ = 0;
  std::string written_;
};

}  // namespace mooring::testing

// Record files: lists read from a phone's providers, as JSON that any tool reads
// and that streams. One record a line, every value a text or null, as the
// providers gave them:
//
//   {"format":"mooring.android.sms/1","records":[
//   {"_id":"7","date":"1700000000000","address":"+49 30 1","body":"Hello"},
//   {"_id":"8","date":"1700000001000","address":null,"body":"Bye"}
//   ]}
//
// Bytes that are not UTF-8 are replaced by U+FFFD: JSON cannot hold them.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/bytes.h"

namespace mooring::agent {

using RecordFields = std::map<std::string, std::optional<std::string>>;

// `text` with every byte that is not part of well-formed UTF-8 replaced.
std::string ToValidUtf8(std::string_view text);
// `text` as a JSON string, quotes included.
std::string JsonString(std::string_view text);

// Writes a list. Thread-compatible.
class RecordWriter {
 public:
  using Out = std::function<absl::Status(ByteView)>;

  RecordWriter(std::string_view format, Out out) : format_(format), out_(std::move(out)) {}

  // `keys` and `values` are of one length.
  absl::Status Add(const std::vector<std::string>& keys,
                   const std::vector<std::optional<std::string>>& values);
  // Required: the end of the list.
  absl::Status Finish();
  std::uint64_t count() const { return count_; }

 private:
  absl::Status Begin();
  absl::Status Flush();

  const std::string format_;
  Out out_;
  std::string buffer_;
  std::uint64_t count_ = 0;
  bool begun_ = false;
};

// Reads what RecordWriter wrote, in pieces of any size. Thread-compatible.
class RecordReader {
 public:
  using Sink = absl::FunctionRef<absl::Status(const RecordFields&)>;

  explicit RecordReader(std::string_view format) : format_(format) {}

  // kDataLoss: not such a file; otherwise what `sink` says.
  absl::Status Feed(ByteView bytes, Sink sink);
  absl::Status Finish() const;

 private:
  absl::Status TakeLine(std::string_view line, Sink sink);

  const std::string format_;
  std::string rest_;
  bool begun_ = false;
  bool ended_ = false;
};

// A flat JSON object of texts and nulls; nullopt for anything else.
std::optional<RecordFields> ParseFlatJson(std::string_view text);

}  // namespace mooring::agent

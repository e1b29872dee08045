// RecordsCapture: contacts, messages, call log, calendar, settings and the list
// of apps, each a file under records/. One that cannot be read never costs the
// others.

#pragma once

#include <string>
#include <string_view>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include "agent/android/content_reader.h"
#include "agent/android/record_lists.h"
#include "agent/android/record_sink.h"
#include "agent/android/storage_capture.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// Thread-bound.
class RecordsCapture {
 public:
  explicit RecordsCapture(const CaptureParts& parts) : parts_(parts), reader_(parts.line) {}

  // Errors are the session's end; what cannot be read is a gap and a remark.
  absl::Status Run(const OpContext& ctx);

 private:
  absl::Status CaptureList(const OpContext& ctx, const RecordList& list);
  absl::Status WriteList(const OpContext& ctx, const RecordList& list, const ContentTable& table,
                         RecordSink& sink);
  absl::Status CaptureContacts(const OpContext& ctx);
  absl::StatusOr<std::string> ReadCards(const OpContext& ctx);
  absl::Status CaptureMms(const OpContext& ctx);
  absl::Status CaptureSettings(const OpContext& ctx);
  // Puts `content` at `path`.
  absl::Status PutText(const OpContext& ctx, std::string_view path, std::string_view content);
  // What became of one list: OK to go on with the next, an error to end.
  absl::Status Judge(const absl::Status& status, const absl::Status& fault, std::string_view path,
                     std::string_view name);

  const CaptureParts parts_;
  ContentReader reader_;
};

}  // namespace mooring::agent

// RecordsRestore: contacts, SMS, call log and settings of a snapshot, written
// through the phone's providers where it permits, then read back and counted.
// What is there already is not written twice.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/android/content_reader.h"
#include "agent/android/record_file.h"
#include "agent/android/storage_restore.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// One `--bind` of `content insert`: column, type (s, i, l) and value.
struct ContentBind {
  std::string column;
  char type = 's';
  std::string value;
};
// The command that inserts one row.
std::string InsertCommand(std::string_view uri, const std::vector<ContentBind>& binds);

// Account types whose contacts live on the phone alone. Others come back by
// their own synchronization, and inserting them would double them.
bool IsLocalAccount(std::string_view account_type);

// Thread-bound.
class RecordsRestore {
 public:
  explicit RecordsRestore(const RestoreParts& parts) : parts_(parts), reader_(parts.line) {}

  // Errors are the session's end; what the phone refuses is a remark.
  absl::Status Run(const OpContext& ctx);

 private:
  // Rows by what makes them the same, and how often each is there.
  using Tally = absl::flat_hash_map<std::uint64_t, std::uint32_t>;
  struct Flat;
  struct Contact {
    std::vector<RecordFields> values;
  };

  absl::Status ReadRecords(const OpContext& ctx, std::string_view path, std::string_view format,
                           absl::FunctionRef<absl::Status(const RecordFields&)> take);
  absl::StatusOr<Tally> TallyOnPhone(const OpContext& ctx, const Flat& flat);
  absl::StatusOr<std::vector<std::string>> Missing(const OpContext& ctx, const Flat& flat,
                                                   Tally on_phone);
  absl::Status RestoreFlat(const OpContext& ctx, const Flat& flat);
  absl::Status RestoreSms(const OpContext& ctx);
  absl::Status RestoreContacts(const OpContext& ctx);
  absl::StatusOr<std::map<std::string, Contact>> LocalContacts(const OpContext& ctx);
  absl::StatusOr<Tally> ContactsOnPhone(const OpContext& ctx);
  absl::StatusOr<bool> InsertContact(const OpContext& ctx, const Contact& contact);
  absl::Status RestoreSettings(const OpContext& ctx);

  absl::StatusOr<ShellResult> Ask(const OpContext& ctx, const std::string& command);
  absl::Status RunAll(const OpContext& ctx, const std::vector<std::string>& commands,
                      std::size_t begin, std::size_t end);
  absl::Status Judge(const absl::Status& status, const char* name);

  RestoreParts parts_;
  ContentReader reader_;
};

}  // namespace mooring::agent

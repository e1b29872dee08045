// Starts the adb server as `adb` itself would.

#pragma once

#include <string>

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "agent/android/adb_address.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// Where `adb` is in PATH; empty if it is not installed.
std::string FindAdbProgram();

// Runs `adb start-server` and waits for it. The server that it leaves behind
// belongs to this process's user, whose HOME holds the key that phones are asked
// to allow; it inherits no file of ours. kNotFound: adb is not installed.
absl::Status StartAdbServer(const OpContext& ctx, Clock& clock, const AdbAddress& address,
                            absl::Duration patience);

}  // namespace mooring::agent

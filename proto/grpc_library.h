// How long gRPC's own threads live.

#pragma once

namespace mooring {

// Keeps the library up until the process ends. Otherwise it comes down with its
// last channel or server, and that may wait 10 s for a thread that polls
// (grpc 1.51, run_poller in tcp_posix.cc). Call before making either. Thread-safe.
void KeepGrpcUp();

}  // namespace mooring

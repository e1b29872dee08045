// How long gRPC's own threads live.

#pragma once

namespace mooring {

// Keeps the library up until the process ends. Otherwise it comes down with its
// last channel or server, and that was seen to wait 10 s for one of its threads
// that polls (grpc 1.51, in grpc_shutdown). Call before making either. Thread-safe.
void KeepGrpcUp();

}  // namespace mooring

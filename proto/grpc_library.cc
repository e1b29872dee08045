#include "proto/grpc_library.h"

#include <grpc/grpc.h>

namespace mooring {

void KeepGrpcUp() {
  [[maybe_unused]] static const bool is_up = [] {
    grpc_init();
    return true;
  }();
}

}  // namespace mooring

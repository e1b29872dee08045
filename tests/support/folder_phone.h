// FolderPhone: an engine whose phone is a directory, so that Mooring backs up
// the very files that other backup programs are given.
//
// A serial is "FOLDER-<name>". In the working directory, which sessions inherit,
// the file "<serial>.source" names the directory that is backed up, and
// "<serial>.target" the one that a restore fills.

#pragma once

#include <memory>
#include <string>

#include "agent/device/engine_factory.h"

namespace mooring::testing {

// Thread-safe.
class FolderPhones final : public agent::EngineFactory {
 public:
  absl::StatusOr<std::unique_ptr<agent::Engine>> Make(v1::Platform platform,
                                                      const std::string& serial) override;
};

}  // namespace mooring::testing

// Contestant: one backup program that goes through the steps of the comparison
// on the same folders.

#pragma once

#include <memory>
#include <string>

#include "tests/bench/compare/measured.h"

namespace mooring::testing {

class Contestant {
 public:
  virtual ~Contestant() = default;
  virtual std::string name() const = 0;

  // `device` is 0 or 1; `folder` holds what is on it now.
  virtual StepCost Backup(int device, const std::string& folder) = 0;
  // The newest snapshot of the device, into an empty folder.
  virtual StepCost Restore(int device, const std::string& folder) = 0;
  // Reads all that is stored and checks it.
  virtual StepCost Verify() = 0;
  // Forgets all but the newest snapshot of each device and frees what only they
  // held; has not run where the program cannot.
  virtual StepCost Prune() = 0;
};

// In a temporary directory of its own.
std::unique_ptr<Contestant> MakeMooring();
// The others keep what they store below `directory`.
// Straight into a directory, or through its REST protocol as served by rclone
// (without TLS, as its users do on one host).
std::unique_ptr<Contestant> MakeRestic(const std::string& directory, bool over_rest);
std::unique_ptr<Contestant> MakeBorg(const std::string& directory);

}  // namespace mooring::testing

// What is on a simulated Android phone, from a seed: files, messages, contacts, calls,
// events, settings and apps; and what a day of use does to them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "tests/phones/android/package_table.h"
#include "tests/phones/android/phone_files.h"
#include "tests/phones/android/providers.h"

namespace mooring::testing::android {

struct ContentOptions {
  std::uint64_t seed = 1;
  std::size_t files = 200;         // On shared storage, about.
  std::uint64_t bytes = 6U << 20;  // All of them together.
  std::uint64_t big_file = 0;      // One more file of so many bytes, in Movies.
  std::size_t messages = 60;
  std::size_t contacts = 25;
  std::size_t calls = 40;
  std::size_t events = 12;
  std::size_t apps = 4;
  std::uint64_t apk_bytes = 60'000;
  bool empty = false;         // A phone fresh from the box.
  bool hostile_rows = false;  // Messages whose text looks like rows of `content query`.
  bool work_profile = false;
  std::string sd_card = {};  // The volume's name, or empty.
  std::string marker = {};   // Planted in contents, names and messages when not empty.
};

using Settings = std::map<std::string, std::map<std::string, std::string>>;  // By namespace.

void MakeFiles(const ContentOptions& options, PhoneFiles& files);
void MakeRecords(const ContentOptions& options, Providers& providers);
void MakePackages(const ContentOptions& options, PackageTable& packages);
Settings MakeSettings(const ContentOptions& options);

struct MutationOptions {
  std::size_t adds = 5;
  std::size_t changes = 5;
  std::size_t deletes = 3;
  std::size_t stealth = 0;   // Edits that keep size and mtime.
  std::size_t messages = 0;  // New SMS.
};

struct MutationResult {
  std::size_t added = 0;
  std::size_t changed = 0;
  std::size_t deleted = 0;
  std::size_t stealthy = 0;
};

// A day of use; depends on the files, `round` and `options` alone.
MutationResult MutateContent(PhoneFiles& files, Providers& providers, std::uint64_t round,
                             const MutationOptions& options);

}  // namespace mooring::testing::android

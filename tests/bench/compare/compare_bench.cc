// compare_bench [--gib N] [--with NAME]...: the same phone-like folders through
// Mooring (agent, server and PostgreSQL over mutual TLS), restic and borg, one
// after another on this machine, and one table of what each step cost.
//
// phoneset.py, beside this file, says what the folders hold. Needs restic, rclone
// and borg: deploy/install-deps --bench.

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tests/bench/compare/contestant.h"
#include "tests/support/subprocess.h"

namespace mooring::testing {
namespace {

constexpr double kGiB = 1 << 30;
const std::vector<std::string> kSteps = {"first backup", "one generation later", "second device",
                                         "restore",      "verify all",           "prune"};

void Generate(const std::string& folder, double gib, int generation) {
  RunMeasured({"python3", MOORING_SOURCE_DIR "/tests/bench/compare/phoneset.py", "--out", folder,
               "--seed", "7", "--devices", "2", "--gib-per-device", fmt::format("{}", gib),
               "--generation", fmt::format("{}", generation)},
              {});
  // What a generation emptied: folders for phones are taken as their files alone.
  RunMeasured({"find", folder, "-type", "d", "-empty", "-delete"}, {});
}

// Reads everything once, so that no contestant pays for a cold cache.
void Warm(const std::string& folder) {
  RunMeasured({"sh", "-c", "find \"$0\" -type f -exec cat {} + >/dev/null", folder}, {});
}

std::vector<StepCost> RunSteps(Contestant& contestant, const std::string& directory, double gib) {
  const std::string data = directory + "/data";
  const std::string restored = directory + "/restored";
  std::vector<StepCost> costs;
  const auto note = [&](const StepCost& cost) {
    costs.push_back(cost);
    if (!cost.ran) return;
    fmt::print("{:<16} {:<22} {:>7.1f} s {:>8.2f} CPU-s/GiB {:>8.1f} MiB {:>9.1f} MB stored\n",
               contestant.name(), kSteps[costs.size() - 1], cost.wall_seconds,
               cost.cpu_seconds / gib, cost.peak_mib, static_cast<double>(cost.stored_bytes) / 1e6);
    std::fflush(stdout);
  };
  Generate(data, gib, 0);
  Warm(data);
  note(contestant.Backup(0, data + "/dev000"));
  Generate(data, gib, 1);
  Warm(data);
  note(contestant.Backup(0, data + "/dev000"));
  note(contestant.Backup(1, data + "/dev001"));
  std::filesystem::create_directories(restored);
  note(contestant.Restore(0, restored));
  // Borg leaves out the folders above; restic makes them.
  const bool deep = std::filesystem::exists(restored + data);
  RunMeasured(
      {"diff", "-r", data + "/dev000",
       deep ? restored + data + "/dev000"
            : (std::filesystem::exists(restored + "/dev000") ? restored + "/dev000" : restored)},
      {});
  std::filesystem::remove_all(restored);
  note(contestant.Verify());
  note(contestant.Prune());
  return costs;
}

void PrintTable(const std::vector<std::string>& names,
                const std::vector<std::vector<StepCost>>& all, double gib) {
  struct Column {
    const char* title;
    std::function<double(const StepCost&)> value;
    bool more_is_better;
  };
  const std::vector<Column> columns = {
      {"MB/s", [&](const StepCost& c) { return gib * kGiB / 1e6 / c.wall_seconds; }, true},
      {"CPU-s/GiB", [&](const StepCost& c) { return c.cpu_seconds / gib; }, false},
      {"MB stored", [](const StepCost& c) { return static_cast<double>(c.stored_bytes) / 1e6; },
       false},
      {"peak MiB", [](const StepCost& c) { return c.peak_mib; }, false}};
  for (std::size_t step = 0; step < kSteps.size(); ++step) {
    fmt::print("\n{:<18}", kSteps[step]);
    for (const Column& column : columns) fmt::print(" {:>11} {:>7}", column.title, "ratio");
    fmt::print("\n");
    for (std::size_t i = 0; i < names.size(); ++i) {
      const StepCost& cost = all[i][step];
      if (!cost.ran) continue;
      fmt::print("  {:<16}", names[i]);
      for (const Column& column : columns) {
        const double value = column.value(cost);
        const double first = column.value(all[0][step]);
        const bool comparable = all[0][step].ran && value > 0 && first > 0;
        const double ratio = column.more_is_better ? first / value : value / first;
        fmt::print(" {:>11.1f} {:>7}", value, comparable ? fmt::format("{:.2f}", ratio) : "");
      }
      fmt::print("\n");
    }
  }
  fmt::print(
      "\nRatios: how many times better the first is; MB/s and CPU are of the device's {} GiB.\n",
      gib);
}

int Main(double gib, const std::vector<std::string>& with) {
  const TempDir dir;
  struct Entry {
    std::string name;
    std::function<std::unique_ptr<Contestant>(const std::string&)> make;
  };
  const std::vector<Entry> known = {
      {"mooring", [](const std::string&) { return MakeMooring(); }},
      {"restic", [](const std::string& d) { return MakeRestic(d, false); }},
      {"restic-rest", [](const std::string& d) { return MakeRestic(d, true); }},
      {"borg", MakeBorg}};
  std::vector<std::string> names;
  std::vector<std::vector<StepCost>> all;
  for (const Entry& entry : known) {
    if (!with.empty() && std::find(with.begin(), with.end(), entry.name) == with.end()) continue;
    const std::string own = dir.path() + "/" + entry.name;
    const std::unique_ptr<Contestant> contestant = entry.make(own);
    names.push_back(contestant->name());
    all.push_back(RunSteps(*contestant, dir.path(), gib));
    std::error_code ignored;
    std::filesystem::remove_all(own, ignored);
  }
  PrintTable(names, all, gib);
  return 0;
}

}  // namespace
}  // namespace mooring::testing

int main(int argc, char** argv) {
  CLI::App app{"Mooring, restic and borg over the same phone-like folders."};
  double gib = 4;
  std::vector<std::string> with;
  app.add_option("--gib", gib, "Size of each of the two devices")->capture_default_str();
  app.add_option("--with", with, "Only these: mooring, restic, restic-rest, borg");
  CLI11_PARSE(app, argc, argv);
  return mooring::testing::Main(gib, with);
}

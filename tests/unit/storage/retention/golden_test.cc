// The scenarios of tests/vectors/retention.txt.

#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <gtest/gtest.h>

#include "storage/retention/policy.h"
#include "tests/unit/storage/retention/test_facts.h"

namespace mooring::storage {
namespace {

absl::Time ParseAt(const std::string& format, const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(format, text, absl::UTCTimeZone(), &time, &error)) << text << error;
  return time;
}

std::uint64_t Number(const std::string& text) {
  std::uint64_t number = 0;
  EXPECT_TRUE(absl::SimpleAtoi(text, &number)) << text;
  return number;
}

struct Scenario {
  std::string title;
  v1::RetentionInput input;
  std::vector<std::string> expected;
  std::map<std::uint64_t, absl::Time> made_at;
};

void ReadRules(const std::string& text, v1::Retention& rules) {
  std::istringstream words(text);
  std::string name;
  std::string value;
  while (words >> name >> value) {
    if (name == "minimum_age") {
      rules.set_minimum_age(value);
      continue;
    }
    const auto count = static_cast<std::uint32_t>(Number(value));
    const google::protobuf::FieldDescriptor* field =
        v1::Retention::descriptor()->FindFieldByName(name);
    ASSERT_NE(field, nullptr) << name;
    rules.GetReflection()->SetUInt32(&rules, field, count);
  }
}

void ReadMark(const std::string& mark, v1::SnapshotFacts& snapshot, Scenario& scenario) {
  if (mark == "damaged") {
    snapshot.set_damaged_chunks(1);
    return;
  }
  if (mark.rfind("lineage=", 0) == 0) {
    snapshot.set_lineage(static_cast<std::uint32_t>(Number(mark.substr(8))));
    return;
  }
  if (mark.rfind("pinned", 0) == 0) {
    v1::SnapshotPin& pin = *scenario.input.add_pins();
    pin.set_snapshot_id(snapshot.snapshot_id());
    pin.set_pinned_by("ada");
    if (mark.size() > 7) *pin.mutable_until() = ToTimestamp(ParseAt("%Y-%m-%d", mark.substr(7)));
    return;
  }
  const std::vector<std::string> parts = absl::StrSplit(mark, '@');
  ASSERT_TRUE(parts[0] == "full" || parts[0] == "photos") << mark;
  const std::uint64_t maker = parts.size() > 1 ? Number(parts[1]) : snapshot.sequence();
  const auto made = scenario.made_at.find(maker);
  // One that was made by a snapshot that is gone: when, is not told here.
  const absl::Time at = made == scenario.made_at.end() ? absl::UnixEpoch() : made->second;
  AddCapture(snapshot, parts[0] == "full" ? v1::CAPTURE_KIND_FULL : v1::CAPTURE_KIND_PHOTOS, maker,
             at);
}

void ReadSnapshot(const std::string& line, Scenario& scenario) {
  std::vector<std::string> fields = absl::StrSplit(line, '|');
  ASSERT_EQ(fields.size(), 4u) << line;
  for (std::string& field : fields) absl::StripAsciiWhitespace(&field);
  const std::uint64_t sequence = Number(fields[0]);
  const absl::Time created_at = ParseAt("%Y-%m-%d %H:%M", fields[1]);
  scenario.made_at[sequence] = created_at;
  v1::SnapshotFacts snapshot = TestSnapshot(sequence, created_at);
  std::istringstream marks(fields[2]);
  std::string mark;
  while (marks >> mark) ReadMark(mark, snapshot, scenario);
  *scenario.input.add_snapshots() = snapshot;
  scenario.expected.push_back(fields[3]);
}

void ReadSetting(const std::string& line, Scenario& scenario) {
  const std::size_t space = line.find(' ');
  const std::string name = line.substr(0, space);
  const std::string value = line.substr(space + 1);
  if (name == "now") {
    *scenario.input.mutable_as_of() = ToTimestamp(ParseAt("%Y-%m-%d %H:%M", value));
  } else if (name == "rules") {
    ReadRules(value, *scenario.input.mutable_rules());
  } else if (name == "hold") {
    v1::Hold& hold = *scenario.input.add_holds();
    if (value == "device") hold.set_device_id(TestId('d', 1));
    if (value == "person") hold.set_person_id(TestId('p', 1));
    v1::Hold& released = *scenario.input.add_holds();
    released.set_device_id(TestId('d', 1));
    *released.mutable_released_at() = scenario.input.as_of();
  } else {
    ASSERT_EQ(name, "pause") << line;
    v1::PruningPause& pause = *scenario.input.add_pauses();
    pause.set_device_id(TestId('d', 1));
    pause.set_lineage(1);
    pause.set_detail(value);
  }
}

std::vector<Scenario> ReadScenarios() {
  std::ifstream file(MOORING_VECTORS "/retention.txt");
  EXPECT_TRUE(file.is_open());
  std::vector<Scenario> scenarios;
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    if (line.rfind("scenario ", 0) == 0) {
      scenarios.emplace_back().title = line.substr(9);
    } else if (absl::ascii_isdigit(static_cast<unsigned char>(line[0]))) {
      ReadSnapshot(line, scenarios.back());
    } else {
      ReadSetting(line, scenarios.back());
    }
  }
  return scenarios;
}

TEST(RetentionGoldenTest, EveryScenarioGivesItsVerdicts) {
  const std::vector<Scenario> scenarios = ReadScenarios();
  EXPECT_GE(scenarios.size(), 19u);
  for (const Scenario& scenario : scenarios) {
    const std::vector<v1::RetentionVerdict> verdicts = Judge(scenario.input);
    ASSERT_EQ(verdicts.size(), scenario.expected.size());
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      const v1::SnapshotFacts& snapshot = scenario.input.snapshots(static_cast<int>(i));
      EXPECT_EQ(verdicts[i].snapshot_id(), snapshot.snapshot_id());
      EXPECT_EQ(VerdictText(verdicts[i]), scenario.expected[i])
          << scenario.title << ", snapshot " << snapshot.sequence();
    }
  }
}

}  // namespace
}  // namespace mooring::storage

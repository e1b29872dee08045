#include "agent/android/tar_reader.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "storage/base/random.h"

namespace mooring::agent {
namespace {

struct Member {
  TarMember facts;
  std::string content;
  bool ended = false;
};

class Collector final : public TarSink {
 public:
  absl::Status BeginMember(const TarMember& member) override {
    members.push_back({member, "", false});
    return absl::OkStatus();
  }
  absl::Status Content(ByteView bytes) override {
    members.back().content += AsText(bytes);
    return absl::OkStatus();
  }
  absl::Status EndMember() override {
    members.back().ended = true;
    return absl::OkStatus();
  }
  std::vector<Member> members;
};

void Seal(std::string& header) {
  for (std::size_t i = 148; i < 156; ++i) header[i] = ' ';
  std::uint32_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  const std::string text = fmt::format("{:06o}", sum);
  std::copy(text.begin(), text.end(), header.begin() + 148);
  header[154] = '\0';
}

std::string Header(const std::string& name, char type, const std::string& size) {
  std::string header(512, '\0');
  std::copy(name.begin(), name.end(), header.begin());
  std::copy(size.begin(), size.end(), header.begin() + 124);
  const std::string mode = "0000644";
  std::copy(mode.begin(), mode.end(), header.begin() + 100);
  const std::string time = "14526640400";
  std::copy(time.begin(), time.end(), header.begin() + 136);
  header[156] = type;
  const std::string magic = "ustar  ";
  std::copy(magic.begin(), magic.end(), header.begin() + 257);
  Seal(header);
  return header;
}

std::string Body(std::string text) {
  text.resize((text.size() + 511) / 512 * 512);
  return text;
}

std::string File(const std::string& name, const std::string& content) {
  return Header(name, '0', fmt::format("{:011o}", content.size())) + Body(content);
}

absl::Status Feed(const std::string& stream, std::size_t piece, Collector& collector) {
  TarReader reader(collector);
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    const absl::Status fed = reader.Feed(AsBytes(std::string_view(stream).substr(at, piece)));
    if (!fed.ok()) return fed;
  }
  return reader.Finish();
}

TEST(TarReader, ReadsMembersInPiecesOfAnySize) {
  const std::string stream = File("./a", "hello") + Header("./dir", '5', "00000000000") +
                             File("./empty", "") + File("./b", std::string(1500, 'b')) +
                             std::string(1024, '\0');
  for (const std::size_t piece : {1U, 511U, 512U, 65536U}) {
    Collector collector;
    ASSERT_TRUE(Feed(stream, piece, collector).ok());
    ASSERT_EQ(collector.members.size(), 4U);
    EXPECT_EQ(collector.members[0].facts.name, "./a");
    EXPECT_EQ(collector.members[0].content, "hello");
    EXPECT_EQ(collector.members[0].facts.modified_unix_s, 014526640400);
    EXPECT_FALSE(collector.members[1].facts.is_file());
    EXPECT_TRUE(collector.members[2].ended);
    EXPECT_EQ(collector.members[3].content.size(), 1500U);
  }
}

TEST(TarReader, ReadsLongNamesOfGnuAndPax) {
  const std::string name = "./" + std::string(240, 'n');
  const std::string pax = "253 path=" + name + "x\n";
  const std::string stream = Header("././@LongLink", 'L', fmt::format("{:011o}", name.size() + 1)) +
                             Body(name + '\0') + File(name.substr(0, 99), "gnu") +
                             Header("pax", 'x', fmt::format("{:011o}", pax.size())) + Body(pax) +
                             File("short", "pax");
  Collector collector;
  ASSERT_EQ(pax.size(), 253U);
  ASSERT_TRUE(Feed(stream, 100, collector).ok());
  ASSERT_EQ(collector.members.size(), 2U);
  EXPECT_EQ(collector.members[0].facts.name, name);
  EXPECT_EQ(collector.members[1].facts.name, name + "x");
}

TEST(TarReader, ReadsSizesInBase256) {
  std::string size(12, '\0');
  size[0] = static_cast<char>(0x80);
  size[7] = 2;  // 8 GiB and more.
  Collector collector;
  TarReader reader(collector);
  ASSERT_TRUE(reader.Feed(AsBytes(Header("./big", '0', size))).ok());
  ASSERT_EQ(collector.members.size(), 1U);
  EXPECT_EQ(collector.members[0].facts.size_bytes, std::uint64_t{2} << 32U);
}

TEST(TarReader, TellsATruncatedStream) {
  const std::string stream = File("./a", std::string(700, 'a'));
  Collector collector;
  EXPECT_FALSE(Feed(stream.substr(0, 600), 64, collector).ok());
  EXPECT_FALSE(collector.members[0].ended);
  EXPECT_FALSE(Feed(stream.substr(0, 100), 64, collector).ok());
}

TEST(TarReader, RefusesLies) {
  std::string wrong_sum = File("./a", "x");
  wrong_sum[0] = 'b';
  const std::string huge_name = Header("././@LongLink", 'L', "77777777777");
  const std::string bad_size = Header("./a", '0', "0000zzzzzzz");
  std::string negative(12, static_cast<char>(0xFF));
  const std::string bad_pax = Header("pax", 'x', "00000000010") + Body("99999 p");
  for (const std::string& stream : {wrong_sum, huge_name, bad_size, Header("./a", '0', negative),
                                    bad_pax, std::string(512, 'z')}) {
    Collector collector;
    EXPECT_EQ(Feed(stream, 512, collector).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(TarReader, SurvivesDamageAnywhere) {
  const std::string stream = File("./a", std::string(600, 'a')) + File("./b", "b");
  SeededRandom random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = stream;
    damaged[random.Below(damaged.size())] = static_cast<char>(random.Below(256));
    Collector collector;
    Feed(damaged, 1 + random.Below(700), collector).IgnoreError();
    std::size_t bytes = 0;
    for (const Member& member : collector.members) bytes += member.content.size();
    EXPECT_LE(bytes, stream.size());
  }
}

}  // namespace
}  // namespace mooring::agent

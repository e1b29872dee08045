#include "tests/phones/iphone/hostile.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "storage/base/bytes.h"
#include "storage/base/status.h"
#include "tests/phones/iphone/upload_sources.h"

namespace mooring::testing {
namespace {

constexpr absl::Duration kReactionWait = absl::Seconds(10);
constexpr std::uint64_t kEndlessBytesMax = 64ULL << 30;

std::string Be32(std::uint32_t value) {
  Bytes bytes;
  AppendBe32(bytes, value);
  return ToString(bytes);
}

absl::Status SendRaw(DeviceLink& link, std::string_view bytes) {
  MOORING_RETURN_IF_ERROR(link.channel().Write(bytes));
  return link.channel().Flush();
}

absl::Status SendControl(DeviceLink& link, std::string_view body) {
  return SendRaw(link, Be32(static_cast<std::uint32_t>(body.size())) + std::string(body));
}

// A well-formed file under a malicious name.
absl::Status SendNamed(DeviceLink& link, const std::string& path) {
  BytesSource source("planted by a hostile phone");
  MOORING_RETURN_IF_ERROR(link.BeginUpload(26));
  MOORING_RETURN_IF_ERROR(link.UploadFile("/.b/1", path, source).status());
  return link.EndUpload();
}

// An XML list of `depth` arrays in one another.
std::string DeepXml(std::size_t depth) {
  std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\">";
  for (std::size_t i = 0; i < depth; ++i) xml += "<array>";
  for (std::size_t i = 0; i < depth; ++i) xml += "</array>";
  return xml + "</plist>";
}

// A binary list in which each of `objects` arrays holds the next one `fan` times.
std::string BinaryChain(std::size_t objects, std::size_t fan) {
  std::string bytes = "bplist00";
  std::vector<std::size_t> offsets;
  const auto append = [&bytes](std::uint64_t value, int width) {
    for (int shift = (width - 1) * 8; shift >= 0; shift -= 8) {
      bytes += static_cast<char>((value >> shift) & 0xFF);
    }
  };
  for (std::size_t i = 0; i < objects; ++i) {
    offsets.push_back(bytes.size());
    bytes += static_cast<char>(0xA0 | fan);
    for (std::size_t k = 0; k < fan; ++k) append(i + 1, 4);
  }
  offsets.push_back(bytes.size());
  bytes += '\x08';
  const std::size_t table = bytes.size();
  for (const std::size_t offset : offsets) append(offset, 4);
  bytes.append(6, '\0');
  bytes += "\x04\x04";
  append(offsets.size(), 8);
  append(0, 8);
  append(table, 8);
  return bytes;
}

absl::Status SendEndless(DeviceLink& link, const std::string& target) {
  MOORING_RETURN_IF_ERROR(link.BeginUpload(1));
  const std::string path = target + "/Snapshot/00/" + std::string(40, '0');
  MOORING_RETURN_IF_ERROR(
      SendRaw(link, Be32(4) + "/.b/" + Be32(static_cast<std::uint32_t>(path.size())) + path));
  const std::string block = Be32((64 << 10) + 1) + '\x0C' + std::string(64 << 10, 'x');
  for (std::uint64_t sent = 0; sent < kEndlessBytesMax; sent += 64 << 10) {
    MOORING_RETURN_IF_ERROR(SendRaw(link, block));
  }
  return absl::OkStatus();
}

struct Attack {
  std::string_view name;
  absl::Status (*send)(DeviceLink& link, const std::string& target);
};

constexpr std::array<Attack, 18> kAttacks = {{
    {"dotdot",
     [](DeviceLink& link, const std::string& target) {
       return SendNamed(link, target + "/Snapshot/../../../../tmp/mooring-hostile");
     }},
    {"absolute",
     [](DeviceLink& link, const std::string&) { return SendNamed(link, "/tmp/mooring-hostile"); }},
    {"other-udid",
     [](DeviceLink& link, const std::string&) {
       return SendNamed(link, "00008110-00AAAAAAAAAAAAAA/Snapshot/00/" + std::string(40, '0'));
     }},
    {"nul",
     [](DeviceLink& link, const std::string& target) {
       return SendNamed(
           link, target + "/Snapshot/00/" + std::string(20, '0') + '\0' + std::string(19, '0'));
     }},
    {"long-name",
     [](DeviceLink& link, const std::string& target) {
       return SendNamed(link, target + "/Snapshot/" + std::string(1 << 20, 'a'));
     }},
    {"info-plist",
     [](DeviceLink& link, const std::string& target) {
       return SendNamed(link, target + "/Info.plist/../Info.plist");
     }},
    {"name-4gib",
     [](DeviceLink& link, const std::string&) {
       MOORING_RETURN_IF_ERROR(link.BeginUpload(1));
       return SendRaw(link, Be32(4) + "/.b/" + Be32(0xFFFFFFFF) + "abc");
     }},
    {"block-4gib",
     [](DeviceLink& link, const std::string& target) {
       const std::string path = target + "/Snapshot/00/" + std::string(40, '0');
       MOORING_RETURN_IF_ERROR(link.BeginUpload(1));
       return SendRaw(link, Be32(4) + "/.b/" + Be32(static_cast<std::uint32_t>(path.size())) +
                                path + Be32(0xFFFFFFFF) + '\x0C' + "abc");
     }},
    {"block-zero",
     [](DeviceLink& link, const std::string& target) {
       const std::string path = target + "/Snapshot/00/" + std::string(40, '0');
       MOORING_RETURN_IF_ERROR(link.BeginUpload(1));
       return SendRaw(link, Be32(4) + "/.b/" + Be32(static_cast<std::uint32_t>(path.size())) +
                                path + Be32(0) + std::string(64, '\0'));
     }},
    {"message-4gib",
     [](DeviceLink& link, const std::string&) {
       return SendRaw(link, Be32(0xFFFFFFFF) + "bplist00");
     }},
    {"message-zero",
     [](DeviceLink& link, const std::string&) { return SendRaw(link, Be32(0) + Be32(0)); }},
    {"plist-depth",
     [](DeviceLink& link, const std::string&) { return SendControl(link, DeepXml(200'000)); }},
    {"plist-depth-binary",
     [](DeviceLink& link, const std::string&) {
       return SendControl(link, BinaryChain(100'000, 1));
     }},
    {"plist-fanout",
     [](DeviceLink& link, const std::string&) { return SendControl(link, BinaryChain(30, 2)); }},
    {"endless-file", SendEndless},
    {"junk",
     [](DeviceLink& link, const std::string&) {
       std::string junk(64 << 10, '\0');
       for (std::size_t i = 0; i < junk.size(); ++i) {
         junk[i] = static_cast<char>(Scramble(i) & 0xFF);
       }
       return SendRaw(link, junk);
     }},
    {"unknown-verb",
     [](DeviceLink& link, const std::string&) {
       return link.Call(Plist::Array().Add(Plist::String("DLMessageFormatDisk"))).status();
     }},
    {"remove-root",
     [](DeviceLink& link, const std::string&) {
       return link.Remove({"", ".", "/", "..", "../../etc"});
     }},
}};

}  // namespace

std::vector<std::string_view> HostileNames() {
  std::vector<std::string_view> names;
  for (const Attack& attack : kAttacks) names.push_back(attack.name);
  return names;
}

absl::Status SendHostile(DeviceLink& link, const std::string& target, std::string_view name) {
  for (const Attack& attack : kAttacks) {
    if (attack.name != name) continue;
    link.channel().set_read_timeout(kReactionWait);
    const absl::Status sent = attack.send(link, target);
    if (sent.ok()) (void)link.channel().HasInput(kReactionWait);
    return absl::UnavailableError("the hostile phone has done its worst");
  }
  return MbError(1, fmt::format("no attack is called {}", name));
}

}  // namespace mooring::testing

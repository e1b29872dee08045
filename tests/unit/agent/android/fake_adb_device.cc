#include "tests/unit/agent/android/fake_adb_device.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "agent/device/cause.h"
#include "storage/base/bytes.h"
#include "storage/seal/digest.h"

namespace mooring::testing {
namespace {

using agent::AdbStat;

constexpr std::size_t kPiece = 4096;

absl::Status Pulled() {
  return agent::Failure(absl::StatusCode::kUnavailable, v1::CAUSE_UNPLUGGED, "unplugged", "");
}

std::string Unquote(std::string_view word) {
  std::string text;
  bool quoted = false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '\'') {
      quoted = !quoted;
    } else if (word[i] == '\\' && !quoted && i + 1 < word.size()) {
      text += word[++i];
    } else {
      text += word[i];
    }
  }
  return text;
}

bool StartsWith(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

std::string TarHeader(const std::string& name, char type, std::uint64_t size, std::int64_t mtime) {
  std::string header(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) {
    std::copy(text.begin(), text.end(), header.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(0, name.substr(0, 99));
  put(100, "0000660");
  put(124, fmt::format("{:011o}", size));
  put(136, fmt::format("{:011o}", mtime));
  header[156] = type;
  put(257, "ustar  ");
  std::uint32_t sum = 8 * ' ';
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum) + std::string(1, '\0') + " ");
  return header;
}

std::string Padded(std::string text) {
  text.resize((text.size() + 511) / 512 * 512);
  return text;
}

AdbStat StatOf(const FakeFile& file) {
  AdbStat stat;
  stat.mode = file.is_directory ? 0040771U : 0100660U;
  stat.size_bytes = file.content.size();
  stat.modified_unix_s = file.modified_unix_ns / 1'000'000'000;
  stat.inode = file.inode;
  return stat;
}

}  // namespace

class FakeShell final : public agent::AdbShell {
 public:
  FakeShell(FakePhone& phone, std::string command) : phone_(phone), command_(std::move(command)) {}

  absl::StatusOr<std::size_t> Read(const OpContext&, std::span<std::byte> out) override {
    Begin();
    const std::size_t left = std::min({out.size(), kPiece, reply_->output.size() - read_});
    if (left == 0) return phone_.is_pulled_ ? absl::StatusOr<std::size_t>(Pulled()) : 0;
    const std::size_t size = phone_.Cross(left);
    if (size == 0) return Pulled();
    std::copy_n(AsBytes(reply_->output).begin() + static_cast<std::ptrdiff_t>(read_), size,
                out.begin());
    read_ += size;
    return size;
  }
  absl::Status Write(const OpContext&, ByteView bytes) override {
    if (phone_.is_pulled_) return Pulled();
    input_.append(AsText(bytes));
    return absl::OkStatus();
  }
  absl::Status CloseStdin(const OpContext&) override {
    return phone_.is_pulled_ ? Pulled() : absl::OkStatus();
  }
  absl::StatusOr<agent::ShellExit> Finish(const OpContext& ctx) override {
    std::array<std::byte, kPiece> rest;
    for (;;) {
      const auto size = Read(ctx, rest);
      if (!size.ok()) return size.status();
      if (*size == 0) return agent::ShellExit{reply_->status, reply_->errors};
    }
  }

 private:
  void Begin() {
    if (!reply_) reply_ = phone_.Run(command_, input_);
  }

  FakePhone& phone_;
  const std::string command_;
  std::string input_;
  std::optional<FakeReply> reply_;
  std::size_t read_ = 0;
};

class FakeSync final : public agent::AdbSync {
 public:
  explicit FakeSync(FakePhone& phone) : phone_(phone) {}

  absl::StatusOr<AdbStat> Stat(const OpContext&, std::string_view path) override {
    if (phone_.Cross(68) == 0) return Pulled();
    std::string name(path);
    if (name.size() > 1 && name.back() == '/') name.pop_back();
    const auto it = phone_.files.find(name);
    if (it != phone_.files.end()) return StatOf(it->second);
    const auto below = phone_.files.lower_bound(name + "/");
    if (below == phone_.files.end() || !StartsWith(below->first, name + "/")) {
      return absl::NotFoundError("no such file");
    }
    FakeFile directory;
    directory.is_directory = true;
    return StatOf(directory);
  }
  absl::Status List(
      const OpContext&, std::string_view path,
      absl::FunctionRef<absl::Status(std::string_view, const AdbStat&)> visit) override {
    std::string root(path);
    if (root.back() != '/') root += '/';
    std::map<std::string, AdbStat> entries;
    for (const auto& [name, file] : phone_.files) {
      if (!StartsWith(name, root) || name.size() == root.size()) continue;
      const std::string below = name.substr(root.size());
      const std::size_t slash = below.find('/');
      FakeFile directory;
      directory.is_directory = true;
      entries[below.substr(0, slash)] =
          slash == std::string::npos ? StatOf(file) : StatOf(directory);
    }
    for (const auto& [name, stat] : entries) {
      if (phone_.Cross(20 + name.size()) == 0) return Pulled();
      const absl::Status visited = visit(name, stat);
      if (!visited.ok()) return visited;
    }
    return absl::OkStatus();
  }
  absl::Status Receive(const OpContext&, std::string_view path,
                       absl::FunctionRef<absl::Status(ByteView)> sink) override {
    if (phone_.before_read) phone_.before_read(std::string(path));
    const auto it = phone_.files.find(std::string(path));
    if (it == phone_.files.end()) return absl::NotFoundError("no such file");
    if (!it->second.is_readable) return absl::PermissionDeniedError("not this one");
    const std::string content = it->second.content;
    for (std::size_t at = 0; at < content.size();) {
      const std::size_t size = phone_.Cross(std::min(kPiece, content.size() - at));
      if (size == 0) return Pulled();
      const absl::Status taken = sink(AsBytes(content).subspan(at, size));
      if (!taken.ok()) return taken;
      at += size;
    }
    return phone_.is_pulled_ ? Pulled() : absl::OkStatus();
  }
  absl::Status Send(const OpContext&, std::string_view path, const agent::AdbSendFacts& facts,
                    agent::ByteSource source) override {
    std::string content;
    std::array<std::byte, kPiece> piece;
    for (;;) {
      const auto size = source(piece);
      if (!size.ok()) return size.status();
      if (*size == 0) break;
      if (phone_.Cross(*size) < *size) return Pulled();
      content.append(AsText(ByteView(piece).first(*size)));
    }
    FakeFile& file = phone_.files[std::string(path)];
    file.content = std::move(content);
    file.modified_unix_ns = facts.modified_unix_s * 1'000'000'000;
    return absl::OkStatus();
  }

 private:
  FakePhone& phone_;
};

class FakeAdbDevice final : public agent::AdbDevice {
 public:
  explicit FakeAdbDevice(FakePhone& phone) : phone_(phone) {}
  const agent::AdbFeatures& features() const override { return features_; }
  absl::StatusOr<std::unique_ptr<agent::AdbShell>> Shell(const OpContext&,
                                                         std::string_view command) override {
    if (phone_.is_pulled_) return Pulled();
    phone_.commands.emplace_back(command);
    return std::unique_ptr<agent::AdbShell>(new FakeShell(phone_, std::string(command)));
  }
  absl::StatusOr<std::unique_ptr<agent::AdbSync>> Sync(const OpContext&) override {
    if (phone_.is_pulled_) return Pulled();
    return std::unique_ptr<agent::AdbSync>(new FakeSync(phone_));
  }
  void SetQuietListener(agent::QuietListener) override {}

 private:
  FakePhone& phone_;
  const agent::AdbFeatures features_ = {"shell_v2", "stat_v2", "ls_v2"};
};

agent::FindPhone FakePhone::Finder() {
  return [this](const OpContext&) -> absl::StatusOr<agent::AndroidPhone> {
    if (is_pulled_ && ++looked_for_ <= absent_for) return Pulled();
    is_pulled_ = false;
    looked_for_ = 0;
    agent::AndroidPhone phone;
    phone.state = agent::PhoneState::kUsable;
    phone.device = std::make_unique<FakeAdbDevice>(*this);
    return phone;
  };
}

std::size_t FakePhone::Cross(std::size_t bytes) {
  if (is_pulled_) return 0;
  if (bytes_until_pulled) {
    bytes = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, *bytes_until_pulled));
    *bytes_until_pulled -= bytes;
    if (*bytes_until_pulled == 0) {
      is_pulled_ = true;
      bytes_until_pulled.reset();
    }
  }
  sent_bytes += bytes;
  return bytes;
}

FakeReply FakePhone::Find(const std::string& root) {
  FakeReply reply;
  for (const auto& [path, file] : files) {
    if (!StartsWith(path, root)) continue;
    reply.output +=
        fmt::format("{}\t{}\t{}.{:09}0\t{}\t{}", file.is_directory ? "drwxrwx--x" : "-rw-rw----",
                    file.content.size(), file.modified_unix_ns / 1'000'000'000,
                    file.modified_unix_ns % 1'000'000'000, file.inode, path.substr(root.size()));
    reply.output += '\0';
  }
  return reply;
}

FakeReply FakePhone::Tar(const std::string& root, const std::string& names) {
  FakeReply reply;
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = names.find('\n', at);
    const std::string name = names.substr(at, end - at);
    at = end + 1;
    const std::string path = root + "/" + name.substr(2);
    if (before_read) before_read(path);
    const auto it = files.find(path);
    if (it == files.end() || !it->second.is_readable) {
      reply.errors += "tar: " + name + ": cannot be read\n";
      reply.status = 1;
      continue;
    }
    const FakeFile& file = it->second;
    const std::int64_t mtime = file.modified_unix_ns / 1'000'000'000;
    if (name.size() > 99) {
      reply.output += TarHeader("././@LongLink", 'L', name.size() + 1, 0);
      reply.output += Padded(name + '\0');
    }
    reply.output += TarHeader(name, '0', file.content.size(), mtime) + Padded(file.content);
  }
  reply.output += std::string(1024, '\0');
  return reply;
}

FakeReply FakePhone::Hash(const std::string& root, const std::string& names) {
  FakeReply reply;
  for (std::size_t at = 0; at < names.size();) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    const auto it = files.find(root + "/" + name.substr(2));
    if (it == files.end()) continue;
    reply.output += ToHex(storage::Sha256(AsBytes(it->second.content))) + "  " + name + "\n";
  }
  return reply;
}

FakeReply FakePhone::Run(const std::string& command, const std::string& input) {
  if (answer) {
    if (const auto reply = answer(command)) return *reply;
  }
  if (StartsWith(command, "find ") && has_find) {
    return Find(Unquote(command.substr(5, command.find(" -printf") - 5)));
  }
  const std::size_t then = command.find(" && ");
  if (StartsWith(command, "cd ") && then != std::string::npos) {
    const std::string root = Unquote(std::string_view(command).substr(3, then - 3));
    const std::string rest = command.substr(then + 4);
    if (StartsWith(rest, "tar ") && has_tar) return Tar(root, input);
    if (StartsWith(rest, "xargs -0 sha256sum") && has_hash) return Hash(root, input);
  }
  if (StartsWith(command, "tail -c +")) {
    const std::size_t from = std::stoul(command.substr(9));
    const std::string path = Unquote(command.substr(command.find(" -- ") + 4));
    const auto it = files.find(path);
    if (it == files.end()) return {"", 1, "tail: no such file"};
    return {it->second.content.substr(std::min(from - 1, it->second.content.size())), 0, ""};
  }
  return {"", 127, "sh: not found"};
}

}  // namespace mooring::testing

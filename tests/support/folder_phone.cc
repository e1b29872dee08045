#include "tests/support/folder_phone.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <utility>
#include <vector>

#include <absl/cleanup/cleanup.h>

#include "storage/base/status.h"
#include "tests/support/synthetic_engine.h"

namespace mooring::testing {
namespace {

constexpr std::string_view kRoot = "storage";
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

std::string LineOf(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

absl::Status Failed(const std::string& what, const std::string& path) {
  return absl::ErrnoToStatus(errno, what + " " + path);
}

class FolderPhone final : public agent::Engine {
 public:
  explicit FolderPhone(std::string serial) : serial_(std::move(serial)) {}

  absl::StatusOr<agent::ProbeResult> Probe(const OpContext&) override {
    return ReadyPhone(serial_, "Folder1,1");
  }

  absl::StatusOr<agent::ProbeResult> Prepare(const OpContext& ctx, agent::ProgressSink&) override {
    return Probe(ctx);
  }

  absl::StatusOr<agent::BackupOutcome> Backup(const OpContext& ctx, const agent::BackupOptions&,
                                              agent::SnapshotBuilder& builder,
                                              agent::ProgressSink& progress) override {
    const std::string source = LineOf(serial_ + ".source");
    std::set<std::string, std::less<>> seen;
    for (const auto& item : std::filesystem::recursive_directory_iterator(source)) {
      if (!item.is_regular_file()) continue;
      const std::string file = item.path();
      const std::string path = std::string(kRoot) + file.substr(source.size());
      seen.insert(path);
      MOORING_RETURN_IF_ERROR(Take(ctx, file, path, builder, progress));
    }
    std::vector<std::string> gone;
    MOORING_RETURN_IF_ERROR(
        builder.Visit(kRoot, [&](std::string_view path, const storage::Entry& entry) {
          if (entry.type == storage::EntryType::kFile && !seen.contains(path)) {
            gone.emplace_back(path);
          }
          return absl::OkStatus();
        }));
    for (const std::string& path : gone) MOORING_RETURN_IF_ERROR(builder.Remove(path));
    agent::BackupOutcome outcome;
    v1::Capture& capture = outcome.captures.emplace_back();
    capture.set_kind(v1::CAPTURE_KIND_FULL);
    capture.set_result(v1::CAPTURE_RESULT_COMPLETE);
    capture.mutable_started_at()->set_seconds(1'700'000'000);
    capture.mutable_completed_at()->set_seconds(1'700'000'100);
    MOORING_ASSIGN_OR_RETURN(const agent::ProbeResult probe, Probe(ctx));
    outcome.facts = probe.facts;
    return outcome;
  }

  absl::StatusOr<agent::RestoreCheck> CheckRestore(const OpContext&,
                                                   agent::SnapshotReader&) override {
    agent::RestoreCheck check;
    check.possible = true;
    return check;
  }

  absl::StatusOr<agent::RestoreOutcome> Restore(const OpContext& ctx,
                                                agent::SnapshotReader& snapshot, const SecretBytes&,
                                                agent::ProgressSink& progress) override {
    const std::string target = LineOf(serial_ + ".target");
    std::vector<std::string> paths;
    MOORING_RETURN_IF_ERROR(
        snapshot.Visit(kRoot, [&](std::string_view path, const storage::Entry& entry) {
          if (entry.type == storage::EntryType::kFile) paths.emplace_back(path);
          return absl::OkStatus();
        }));
    snapshot.Prefetch(paths);
    agent::RestoreOutcome outcome;
    for (const std::string& path : paths) {
      const std::string file = target + path.substr(kRoot.size());
      std::filesystem::create_directories(std::filesystem::path(file).parent_path());
      const int fd = open(file.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
      if (fd < 0) return Failed("create", file);
      const absl::Cleanup close_it = [fd] { close(fd); };
      std::uint64_t bytes = 0;
      MOORING_RETURN_IF_ERROR(snapshot.Read(ctx, path, [&](ByteView piece) -> absl::Status {
        bytes += piece.size();
        while (!piece.empty()) {
          const ssize_t n = write(fd, piece.data(), piece.size());
          if (n < 0) return Failed("write", file);
          piece = piece.subspan(static_cast<std::size_t>(n));
        }
        return absl::OkStatus();
      }));
      ++outcome.files;
      outcome.bytes += bytes;
      progress.Moved(1, bytes);
    }
    return outcome;
  }

 private:
  // Keeps the file where size and modification time are those of the base.
  absl::Status Take(const OpContext& ctx, const std::string& file, const std::string& path,
                    agent::SnapshotBuilder& builder, agent::ProgressSink& progress) {
    struct stat st {};
    if (stat(file.c_str(), &st) != 0) return Failed("stat", file);
    agent::FileFacts facts;
    facts.modified_unix_ns = st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec;
    facts.mode = 0600;
    const auto known = builder.Find(path);
    if (known && known->size_bytes == static_cast<std::uint64_t>(st.st_size) &&
        known->modified_unix_ns == facts.modified_unix_ns) {
      return absl::OkStatus();
    }
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return Failed("open", file);
    const absl::Cleanup close_it = [fd] { close(fd); };
    const bool is_app = path.ends_with(".ipa");
    MOORING_ASSIGN_OR_RETURN(const auto writer, builder.Put(ctx, path, facts,
                                                            is_app ? agent::Domain::kOrganization
                                                                   : agent::Domain::kPerson));
    for (;;) {
      const ssize_t n = read(fd, piece_.data(), piece_.size());
      if (n < 0) return Failed("read", file);
      if (n == 0) break;
      MOORING_RETURN_IF_ERROR(writer->Write(ByteView(piece_).first(static_cast<std::size_t>(n))));
    }
    MOORING_RETURN_IF_ERROR(writer->Close());
    progress.Moved(1, static_cast<std::uint64_t>(st.st_size));
    return absl::OkStatus();
  }

  const std::string serial_;
  Bytes piece_ = Bytes(kPieceBytes);
};

}  // namespace

absl::StatusOr<std::unique_ptr<agent::Engine>> FolderPhones::Make(v1::Platform,
                                                                  const std::string& serial,
                                                                  const agent::EngineOptions&) {
  if (!serial.starts_with("FOLDER-")) return absl::NotFoundError("no such folder phone");
  return std::make_unique<FolderPhone>(serial);
}

}  // namespace mooring::testing

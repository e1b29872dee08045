#include "agent/android/adb_server.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>
#include <utility>

#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include "agent/android/adb_shell.h"
#include "agent/android/adb_start.h"
#include "agent/android/adb_sync.h"
#include "agent/device/cause.h"
#include "storage/base/mutex.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr absl::Duration kConnectPatience = absl::Seconds(5);
constexpr std::size_t kFeaturesMax = 256;

AdbFeatures ParseFeatures(std::string_view text) {
  AdbFeatures features;
  for (const absl::string_view word : absl::StrSplit(ToAbsl(text), ',', absl::SkipEmpty())) {
    if (features.size() == kFeaturesMax) break;
    features.emplace(word.data(), word.size());
  }
  return features;
}

// What ended was the server itself, not a phone.
absl::Status ServerGone(const absl::Status& status) {
  if (CauseOf(status) != v1::CAUSE_UNPLUGGED) return status;
  return absl::UnavailableError("the adb server went away");
}

// A wait that is called off in the middle of a list goes on there the next time.
class ServerTracker final : public AdbTracker {
 public:
  explicit ServerTracker(std::unique_ptr<AdbSocket> stream) : stream_(std::move(stream)) {}

  absl::StatusOr<std::vector<AdbListed>> Next(const OpContext& ctx) override {
    while (true) {
      MOORING_ASSIGN_OR_RETURN(const std::optional<std::size_t> whole, WholeTextBytes());
      if (whole) {
        const std::string text = heard_.substr(kDigits, *whole - kDigits);
        heard_.erase(0, *whole);
        return ParseAdbList(text);
      }
      std::array<std::byte, 4096> piece{};
      MOORING_ASSIGN_OR_RETURN(const std::size_t count, stream_->ReadSome(ctx, piece));
      if (count == 0) return absl::UnavailableError("the adb server went away");
      heard_ += AsText(ByteView(piece).subspan(0, count));
    }
  }

 private:
  static constexpr std::size_t kDigits = 4;

  // Of the first text that was heard, its digits included; nullopt while it is not whole.
  absl::StatusOr<std::optional<std::size_t>> WholeTextBytes() const {
    if (heard_.size() < kDigits) return std::optional<std::size_t>();
    std::size_t length = 0;
    const char* const end = heard_.data() + kDigits;
    const auto [stop, error] = std::from_chars(heard_.data(), end, length, 16);
    if (error != std::errc() || stop != end) return AdbProtocolError("a length that is none");
    if (heard_.size() < kDigits + length) return std::optional<std::size_t>();
    return std::optional<std::size_t>(kDigits + length);
  }

  std::unique_ptr<AdbSocket> stream_;
  std::string heard_;
};

class ServerDevice final : public AdbDevice {
 public:
  ServerDevice(AdbServer& server, std::uint64_t transport_id, AdbFeatures features)
      : server_(server), transport_id_(transport_id), features_(std::move(features)) {}

  const AdbFeatures& features() const override { return features_; }

  absl::StatusOr<std::unique_ptr<AdbShell>> Shell(const OpContext& ctx,
                                                  std::string_view command) override {
    if (!features_.contains("shell_v2")) {
      return absl::UnimplementedError("the phone's Android is too old for a reliable shell");
    }
    if (command.find('\0') != std::string_view::npos) {
      return absl::InvalidArgumentError("a command for the phone holds a NUL");
    }
    MOORING_ASSIGN_OR_RETURN(
        std::unique_ptr<AdbStream> stream,
        server_.OpenService(ctx, transport_id_, fmt::format("shell,v2,raw:{}", command),
                            listener()));
    return std::make_unique<ShellStream>(std::move(stream));
  }

  absl::StatusOr<std::unique_ptr<AdbSync>> Sync(const OpContext& ctx) override {
    auto sync = std::make_unique<SyncConnection>(
        [&server = server_, id = transport_id_, listener = listener()](const OpContext& open_ctx) {
          return server.OpenService(open_ctx, id, "sync:", listener);
        },
        features_);
    MOORING_RETURN_IF_ERROR(sync->Start(ctx));
    return sync;
  }

  void SetQuietListener(QuietListener listener) override {
    MutexLock lock(mutex_);
    listener_ = std::move(listener);
  }

 private:
  QuietListener listener() {
    MutexLock lock(mutex_);
    return listener_;
  }

  AdbServer& server_;
  const std::uint64_t transport_id_;
  const AdbFeatures features_;
  Mutex mutex_;
  QuietListener listener_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

AdbServer::AdbServer(Clock& clock, AdbAddress address, const AdbPatience& patience)
    : clock_(clock), address_(std::move(address)), patience_(patience) {}

absl::StatusOr<std::unique_ptr<AdbSocket>> AdbServer::Connect(const OpContext& ctx,
                                                              absl::Duration silence,
                                                              QuietListener listener) {
  return AdbSocket::Connect(ctx, clock_, address_,
                            {.connect = kConnectPatience, .silence = silence}, std::move(listener));
}

absl::StatusOr<bool> AdbServer::EnsureRunning(const OpContext& ctx) {
  const absl::StatusOr<int> version = Version(ctx);
  if (version.ok()) return false;
  // One that listens but does not answer is not ours to replace.
  if (!absl::IsUnavailable(version.status())) return version.status();
  if (!address_.is_local()) {
    return absl::FailedPreconditionError(ToAbsl(fmt::format(
        "{}; it is another machine's to start", std::string(version.status().message()))));
  }
  MOORING_RETURN_IF_ERROR(StartAdbServer(ctx, clock_, address_, patience_.start));
  MOORING_RETURN_IF_ERROR(Version(ctx).status());
  return true;
}

absl::StatusOr<std::string> AdbServer::Ask(const OpContext& ctx, std::string_view request) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<AdbSocket> stream,
                           Connect(ctx, patience_.answer, nullptr));
  MOORING_RETURN_IF_ERROR(AskAdb(ctx, *stream, request));
  return ReadAdbText(ctx, *stream);
}

absl::StatusOr<int> AdbServer::Version(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(const std::string text, Ask(ctx, "host:version"));
  int version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version, 16);
  if (error != std::errc() || end != text.data() + text.size()) {
    return AdbProtocolError("an adb version that is none");
  }
  return version;
}

absl::StatusOr<AdbFeatures> AdbServer::HostFeatures(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(const std::string text, Ask(ctx, "host:host-features"));
  return ParseFeatures(text);
}

absl::StatusOr<std::vector<AdbListed>> AdbServer::Devices(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(const std::string text, Ask(ctx, "host:devices-l"));
  return ParseAdbList(text);
}

absl::StatusOr<std::unique_ptr<AdbTracker>> AdbServer::Track(const OpContext& ctx) {
  // Nothing to hear for days is not silence, so the wait is the caller's.
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<AdbSocket> stream,
                           Connect(ctx, absl::InfiniteDuration(), nullptr));
  const absl::Status asked = AskAdb(ctx, *stream, "host:track-devices-l");
  if (!asked.ok()) return ServerGone(asked);
  return std::make_unique<ServerTracker>(std::move(stream));
}

absl::StatusOr<AdbFeatures> AdbServer::Features(const OpContext& ctx, std::uint64_t transport_id) {
  MOORING_ASSIGN_OR_RETURN(const std::string text,
                           Ask(ctx, fmt::format("host-transport-id:{}:features", transport_id)));
  return ParseFeatures(text);
}

absl::StatusOr<std::unique_ptr<AdbDevice>> AdbServer::Open(const OpContext& ctx,
                                                           std::uint64_t transport_id) {
  MOORING_ASSIGN_OR_RETURN(const AdbFeatures host, HostFeatures(ctx));
  MOORING_ASSIGN_OR_RETURN(const AdbFeatures phone, Features(ctx, transport_id));
  AdbFeatures both;
  std::set_intersection(host.begin(), host.end(), phone.begin(), phone.end(),
                        std::inserter(both, both.end()));
  return std::make_unique<ServerDevice>(*this, transport_id, std::move(both));
}

absl::StatusOr<std::unique_ptr<AdbStream>> AdbServer::OpenService(const OpContext& ctx,
                                                                  std::uint64_t transport_id,
                                                                  std::string_view service,
                                                                  QuietListener listener) {
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<AdbSocket> stream,
                           Connect(ctx, patience_.silence, std::move(listener)));
  MOORING_RETURN_IF_ERROR(AskAdb(ctx, *stream, fmt::format("host:transport-id:{}", transport_id)));
  MOORING_RETURN_IF_ERROR(AskAdb(ctx, *stream, service));
  return stream;
}

}  // namespace mooring::agent

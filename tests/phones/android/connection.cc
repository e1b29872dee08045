#include "tests/phones/android/connection.h"

#include <algorithm>
#include <deque>
#include <utility>

#include <fmt/format.h>

#include "storage/base/bytes.h"
#include "storage/base/status.h"
#include "tests/phones/android/services.h"

namespace mooring::testing::android {
namespace {

constexpr std::size_t kStreamsMax = 64;
constexpr std::size_t kQueuedPacketsMax = 8;
constexpr int kDialogPollMs = 20;

// The file service, and the commands that stand in for it.
bool CarriesFiles(std::string_view service) {
  return service.starts_with("sync:") || service.find("tar -c") != std::string_view::npos ||
         service.find("tail -c") != std::string_view::npos;
}

}  // namespace

class Connection::Stream final : public ServiceStream {
 public:
  Stream(Connection& connection, std::uint32_t local, std::uint32_t remote, bool carries_files)
      : connection_(connection), local_(local), remote_(remote), carries_files_(carries_files) {}

  std::optional<std::string> Read() override {
    std::string bytes;
    {
      MutexLock lock(mutex_);
      changed_.Wait(mutex_, {},
                    [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !queue_.empty() || is_closed_; });
      if (queue_.empty()) return std::nullopt;
      bytes = std::move(queue_.front());
      queue_.pop_front();
    }
    connection_.socket_.Write({kOkay, local_, remote_, {}});
    return bytes;
  }

  bool Write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const std::size_t length = std::min<std::size_t>(bytes.size(), connection_.payload_max_);
      {
        MutexLock lock(mutex_);
        changed_.Wait(mutex_, {},
                      [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !is_waiting_ || is_closed_; });
        if (is_closed_) return false;
        is_waiting_ = true;
      }
      if (carries_files_) connection_.phone_.CountFileBytes(length);
      if (!connection_.SendData(local_, remote_, std::string(bytes.substr(0, length)))) {
        return false;
      }
      bytes.remove_prefix(length);
    }
    return true;
  }

  // False if the host sent more than it was allowed to.
  bool Take(std::string bytes) {
    MutexLock lock(mutex_);
    const bool was_empty = queue_.empty();
    if (queue_.size() < kQueuedPacketsMax) queue_.push_back(std::move(bytes));
    changed_.NotifyAll();
    return was_empty;
  }
  void Acknowledge() {
    MutexLock lock(mutex_);
    is_waiting_ = false;
    changed_.NotifyAll();
  }
  void Close() {
    MutexLock lock(mutex_);
    is_closed_ = true;
    changed_.NotifyAll();
  }
  void Finish() {
    connection_.socket_.Write({kClose, local_, remote_, {}});
    MutexLock lock(mutex_);
    is_finished_ = is_closed_ = true;
  }
  bool is_finished() {
    MutexLock lock(mutex_);
    return is_finished_;
  }
  std::uint32_t local() const { return local_; }
  std::uint32_t remote() const { return remote_; }

 private:
  Connection& connection_;
  const std::uint32_t local_;
  const std::uint32_t remote_;
  const bool carries_files_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::string> queue_ ABSL_GUARDED_BY(mutex_);
  bool is_waiting_ ABSL_GUARDED_BY(mutex_) = false;  // For the host's OKAY.
  bool is_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
};

Connection::Connection(int socket, AndroidPhone& phone, std::function<void(absl::Duration)> unplug)
    : phone_(phone), unplug_(std::move(unplug)), socket_(socket) {}

Connection::~Connection() {
  Shut();
}

void Connection::Shut() {
  gone_.request_stop();
  socket_.Shut();
}

void Connection::Run() {
  while (true) {
    while (!asked_key_.empty() && !is_online_ && !socket_.Readable(kDialogPollMs)) CheckDialog();
    absl::StatusOr<Packet> packet = socket_.Read();
    const absl::Status status = packet.ok() ? Handle(*std::move(packet)) : packet.status();
    if (status.ok()) continue;
    if (absl::IsInvalidArgument(status)) {
      phone_.AddViolation(fmt::format("transport: {}", status.ToString()));
    }
    break;
  }
  Shut();
  CloseStreams();
}

absl::Status Connection::Handle(Packet packet) {
  if (packet.command == kConnect) {
    host_version_ = packet.first;
    const std::uint32_t own = phone_.options().max_payload;
    payload_max_ = std::clamp<std::uint32_t>(packet.second, 1024, own);
    if (host_version_ >= kVersionWithout && !phone_.options().old_checksums) {
      socket_.StopChecking();
    }
    SendToken();
    return absl::OkStatus();
  }
  if (host_version_ == 0) return absl::InvalidArgumentError("the first packet is not CNXN");
  if (packet.command == kAuth) return HandleAuth(std::move(packet));
  if (!is_online_) return absl::InvalidArgumentError("a packet before the host was authorized");
  if (packet.payload.size() > phone_.options().max_payload) {
    return absl::InvalidArgumentError("a packet larger than the phone said it takes");
  }
  if (packet.command == kOpen) {
    HandleOpen(std::move(packet));
    return absl::OkStatus();
  }
  return HandleStream(std::move(packet));
}

void Connection::SendToken() {
  token_.assign(kAuthTokenBytes, '\0');
  phone_.random().Fill(std::as_writable_bytes(std::span(token_)));
  socket_.Write({kAuth, 1, 0, token_});
}

absl::Status Connection::HandleAuth(Packet packet) {
  constexpr std::uint32_t kSignature = 2;
  constexpr std::uint32_t kPublicKey = 3;
  constexpr std::size_t kSignaturesMax = 64;
  if (packet.first == kSignature) {
    for (const std::string& text : phone_.keys()) {
      const absl::StatusOr<AuthKey> key = AuthKey::Parse(text);
      if (!key.ok() || !key->Signed(token_, packet.payload)) continue;
      SendBanner();
      return absl::OkStatus();
    }
    if (signatures_.size() >= kSignaturesMax) return absl::InvalidArgumentError("too many keys");
    signatures_.push_back(token_ + packet.payload);
    SendToken();
    return absl::OkStatus();
  }
  if (packet.first != kPublicKey) return absl::InvalidArgumentError("an AUTH of unknown type");
  std::string text = packet.payload.substr(0, packet.payload.find('\0'));
  const absl::StatusOr<AuthKey> key = AuthKey::Parse(text);
  if (!key.ok()) return key.status();
  // adbd does not ask who owns the key; a host that does not is worth knowing.
  const bool is_owned =
      std::any_of(signatures_.begin(), signatures_.end(), [&](const std::string& signature) {
        return key->Signed(signature.substr(0, kAuthTokenBytes), signature.substr(kAuthTokenBytes));
      });
  if (!is_owned) phone_.AddViolation("auth: the host offers a key that it did not sign with");
  asked_key_ = std::move(text);
  phone_.AskFor(asked_key_);
  CheckDialog();
  return absl::OkStatus();
}

void Connection::CheckDialog() {
  if (!is_online_ && phone_.AnswerFor(asked_key_) > 0) SendBanner();
}

void Connection::SendBanner() {
  std::string features;
  for (const std::string& name : phone_.Features())
    features += (features.empty() ? "" : ",") + name;
  const PhoneIdentity& identity = phone_.identity();
  const auto plain = [](std::string text) {
    std::replace(text.begin(), text.end(), ' ', '_');
    return text;
  };
  is_online_ = true;
  const bool is_old = phone_.options().old_checksums;
  socket_.Write({kConnect, is_old ? kVersionWithChecksums : kVersionWithout,
                 phone_.options().max_payload,
                 fmt::format("device::ro.product.name={};ro.product.model={};ro.product.device={};"
                             "features={}",
                             identity.product, plain(identity.model), identity.device, features)});
  if (!is_old && host_version_ >= kVersionWithout) socket_.StopSumming();
}

void Connection::HandleOpen(Packet packet) {
  Reap();
  const std::uint32_t remote = packet.first;
  std::string service = packet.payload;
  if (!service.empty() && service.back() == '\0') service.pop_back();
  phone_.NoteService(service);
  const bool is_offered =
      IsService(service) && (!service.starts_with("abb_exec:") || phone_.HasFeature("abb_exec"));
  if (tasks_.size() >= kStreamsMax || !is_offered) {
    socket_.Write({kClose, 0, remote, {}});
    return;
  }
  auto stream = std::make_shared<Stream>(*this, ++last_id_, remote, CarriesFiles(service));
  {
    MutexLock lock(mutex_);
    streams_[stream->local()] = stream;
  }
  socket_.Write({kOkay, stream->local(), remote, {}});
  tasks_.push_back({stream, std::jthread([this, stream, service = std::move(service)] {
                      RunService(phone_, service, *stream);
                      stream->Finish();
                      MutexLock lock(mutex_);
                      streams_.erase(stream->local());
                    })});
}

absl::Status Connection::HandleStream(Packet packet) {
  const std::shared_ptr<Stream> stream = Find(packet.second);
  if (packet.command == kWrite) {
    const std::uint64_t before = phone_.CountReceived(packet.payload.size());
    if (const auto fault =
            phone_.faults().TakeAtReceived(FaultKind::kUnplug, before, packet.payload.size())) {
      unplug_(absl::Milliseconds(static_cast<std::int64_t>(fault->delay_ms)));
      return absl::UnavailableError("unplugged");
    }
    if (stream == nullptr) {
      socket_.Write({kClose, 0, packet.first, {}});
    } else if (!stream->Take(std::move(packet.payload))) {
      phone_.AddViolation("transport: a WRTE before the OKAY of the one before");
    }
    return absl::OkStatus();
  }
  if (packet.command != kOkay && packet.command != kClose) {
    return absl::InvalidArgumentError(
        fmt::format("a packet of unknown type {:08x}", packet.command));
  }
  if (stream == nullptr) return absl::OkStatus();
  packet.command == kOkay ? stream->Acknowledge() : stream->Close();
  return absl::OkStatus();
}

bool Connection::SendData(std::uint32_t local, std::uint32_t remote, std::string payload) {
  const std::uint64_t length = payload.size();
  const std::uint64_t before = phone_.CountSent(length);
  if (const auto stall = phone_.faults().TakeAtBytes(FaultKind::kStall, before, length)) {
    phone_.clock().Sleep(absl::Milliseconds(static_cast<std::int64_t>(stall->delay_ms)),
                         gone_.get_token());
  }
  if (phone_.IsHostile("oversize-packet")) payload.resize(payload_max_ + 4096U, 'x');
  const Packet packet{kWrite, local, remote, std::move(payload)};
  if (const auto unplug = phone_.faults().TakeAtBytes(FaultKind::kUnplug, before, length)) {
    socket_.Tear(packet);
    unplug_(absl::Milliseconds(static_cast<std::int64_t>(unplug->delay_ms)));
    return false;
  }
  if (const std::uint64_t rate = phone_.options().bytes_per_second; rate > 0) {
    phone_.clock().Sleep(absl::Seconds(static_cast<double>(length) / static_cast<double>(rate)),
                         gone_.get_token());
  }
  return socket_.Write(packet);
}

std::shared_ptr<Connection::Stream> Connection::Find(std::uint32_t local) {
  MutexLock lock(mutex_);
  const auto found = streams_.find(local);
  return found == streams_.end() ? nullptr : found->second;
}

void Connection::Reap() {
  tasks_.remove_if([](const Task& task) { return task.stream->is_finished(); });
}

void Connection::CloseStreams() {
  {
    MutexLock lock(mutex_);
    for (const auto& [id, stream] : streams_) stream->Close();
  }
  tasks_.clear();  // Waits for each.
}

}  // namespace mooring::testing::android

#include "tests/phones/iphone/usbmuxd.h"

#include <arpa/inet.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/file.h"
#include "storage/base/ids.h"
#include "storage/base/status.h"
#include "tests/phones/iphone/preflight.h"
#include "tests/phones/iphone/services.h"

namespace mooring::testing {
namespace {

using HostId = Id<struct HostIdTag, 16>;
using EscrowBag = Id<struct EscrowBagTag, 32>;

constexpr std::size_t kHeaderBytes = 16;
constexpr std::uint32_t kMessageBytesMax = 4 << 20;
constexpr std::uint32_t kTypePlist = 8;
constexpr std::size_t kConnectionsMax = 4096;
constexpr std::uint64_t kOk = 0;
constexpr std::uint64_t kBadCommand = 1;
constexpr std::uint64_t kBadDevice = 2;
constexpr std::uint64_t kRefused = 3;
constexpr std::uint64_t kBadVersion = 6;

Plist DescribeDevice(std::uint64_t device_id, const Phone& phone) {
  return Plist::Dict()
      .Set("MessageType", "Attached")
      .Set("DeviceID", Plist::Integer(device_id))
      .Set("Properties", Plist::Dict()
                             .Set("ConnectionSpeed", Plist::Integer(480000000))
                             .Set("ConnectionType", "USB")
                             .Set("DeviceID", Plist::Integer(device_id))
                             .Set("LocationID", Plist::Integer(0x14100000 + device_id))
                             .Set("ProductID", Plist::Integer(0x12A8))
                             .Set("SerialNumber", phone.identity().udid));
}

std::string RecordPath(const std::string& state_dir, const std::string& udid) {
  return fmt::format("{}/pair-record-{}.plist", state_dir, udid);
}

bool IsUdid(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
  });
}

}  // namespace

UsbmuxServer::UsbmuxServer(Options options, UnixListener listener)
    : options_(std::move(options)), listener_(std::move(listener)) {}

absl::StatusOr<std::unique_ptr<UsbmuxServer>> UsbmuxServer::Start(Options options) {
  MOORING_ASSIGN_OR_RETURN(UnixListener listener, UnixListener::Make(options.socket_path));
  std::unique_ptr<UsbmuxServer> server(new UsbmuxServer(std::move(options), std::move(listener)));
  server->acceptor_ =
      std::jthread([raw = server.get()](std::stop_token stop) { raw->Accept(std::move(stop)); });
  return server;
}

UsbmuxServer::~UsbmuxServer() {
  if (acceptor_.joinable()) {
    acceptor_.request_stop();
    acceptor_.join();
  }
  std::vector<std::string> udids;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, phone] : attached_) udids.push_back(phone->identity().udid);
  }
  for (const std::string& udid : udids) Detach(udid);
  std::list<Connection> connections;
  {
    MutexLock lock(mutex_);
    for (Connection& connection : connections_) connection.channel->Shutdown();
    connections.swap(connections_);
  }
  connections.clear();  // Joins.
}

void UsbmuxServer::Accept(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const int socket = listener_.Accept();
    if (socket < 0) continue;
    std::list<Connection> done;
    MutexLock lock(mutex_);
    for (auto at = connections_.begin(); at != connections_.end();) {
      const auto next = std::next(at);
      if (at->is_done) done.splice(done.end(), connections_, at);
      at = next;
    }
    if (connections_.size() >= kConnectionsMax) {
      close(socket);
      continue;
    }
    Connection& connection = connections_.emplace_back();
    connection.channel = std::make_unique<Channel>(socket);
    connection.thread = std::jthread([this, &connection] {
      Serve(*connection.channel);
      connection.channel->Shutdown();
      connection.is_done = true;
    });
  }
}

void UsbmuxServer::Serve(Channel& channel) {
  while (true) {
    absl::StatusOr<Request> request = Receive(channel);
    if (!request.ok()) {
      if (!absl::IsUnavailable(request.status())) {
        Violation(std::string(request.status().message()));
      }
      return;
    }
    if (!Answer(channel, *request)) return;
  }
}

absl::StatusOr<UsbmuxServer::Request> UsbmuxServer::Receive(Channel& channel) {
  MOORING_ASSIGN_OR_RETURN(const std::string header, channel.ReadString(kHeaderBytes));
  const std::uint32_t length = LoadLe32(AsBytes(header), 0);
  const std::uint32_t version = LoadLe32(AsBytes(header), 4);
  const std::uint32_t type = LoadLe32(AsBytes(header), 8);
  Request request;
  request.tag = LoadLe32(AsBytes(header), 12);
  if (version != 1 || type != kTypePlist) {
    (void)ReplyResult(channel, request.tag, kBadVersion);
    (void)channel.Flush();
    return absl::InvalidArgumentError(
        fmt::format("usbmuxd: message of version {}, type {}", version, type));
  }
  if (length < kHeaderBytes || length > kMessageBytesMax) {
    return absl::InvalidArgumentError(fmt::format("usbmuxd: message of {} bytes", length));
  }
  MOORING_ASSIGN_OR_RETURN(const std::string body, channel.ReadString(length - kHeaderBytes));
  absl::StatusOr<Plist> plist = Plist::Parse(body);
  if (!plist.ok()) return Annotate(plist.status(), "usbmuxd");
  request.body = *std::move(plist);
  return request;
}

absl::Status UsbmuxServer::Reply(Channel& channel, std::uint32_t tag, const Plist& body) {
  const std::string xml = body.Xml();
  Bytes header;
  AppendLe32(header, static_cast<std::uint32_t>(kHeaderBytes + xml.size()));
  AppendLe32(header, 1);
  AppendLe32(header, kTypePlist);
  AppendLe32(header, tag);
  MOORING_RETURN_IF_ERROR(channel.Write(AsText(header)));
  MOORING_RETURN_IF_ERROR(channel.Write(xml));
  return channel.Flush();
}

absl::Status UsbmuxServer::ReplyResult(Channel& channel, std::uint32_t tag, std::uint64_t code) {
  return Reply(channel, tag,
               Plist::Dict().Set("MessageType", "Result").Set("Number", Plist::Integer(code)));
}

bool UsbmuxServer::Answer(Channel& channel, const Request& request) {
  const std::string type = request.body.StringOr("MessageType", "");
  if (type == "Listen") {
    Subscribe(channel, request.tag);
    return false;
  }
  if (type == "Connect") {
    Connect(channel, request);
    return false;
  }
  if (type == "ListDevices") {
    Plist devices = Plist::Array();
    {
      MutexLock lock(mutex_);
      for (const auto& [id, phone] : attached_) devices.Add(DescribeDevice(id, *phone));
    }
    return Reply(channel, request.tag, Plist::Dict().Set("DeviceList", std::move(devices))).ok();
  }
  if (type == "ReadBUID") {
    return Reply(channel, request.tag, Plist::Dict().Set("BUID", options_.buid)).ok();
  }
  if (type == "ReadPairRecord" || type == "SavePairRecord" || type == "DeletePairRecord") {
    return AnswerPairRecord(channel, request, type).ok();
  }
  Violation(fmt::format("usbmuxd: unknown request {}", type));
  return ReplyResult(channel, request.tag, kBadCommand).ok();
}

void UsbmuxServer::Subscribe(Channel& channel, std::uint32_t tag) {
  {
    MutexLock lock(mutex_);
    if (!ReplyResult(channel, tag, kOk).ok()) return;
    for (const auto& [id, phone] : attached_) {
      if (!Reply(channel, 0, DescribeDevice(id, *phone)).ok()) return;
    }
    subscribers_.push_back(&channel);
  }
  // Events are written by whoever makes them; here the host's going away is awaited.
  pollfd poller{channel.socket(), POLLIN | POLLRDHUP, 0};
  while (poll(&poller, 1, -1) < 0) {
  }
  MutexLock lock(mutex_);
  std::erase(subscribers_, &channel);
}

void UsbmuxServer::Connect(Channel& channel, const Request& request) {
  const std::uint64_t device_id = request.body.IntegerOr("DeviceID", 0);
  const auto swapped = static_cast<std::uint16_t>(request.body.IntegerOr("PortNumber", 0));
  const std::uint16_t port = ntohs(swapped);
  std::shared_ptr<Phone> phone;
  {
    MutexLock lock(mutex_);
    const auto found = attached_.find(device_id);
    if (found != attached_.end()) phone = found->second;
  }
  if (phone == nullptr) {
    (void)ReplyResult(channel, request.tag, kBadDevice);
    return;
  }
  std::optional<Phone::PendingService> service;
  if (port == kLockdownPort) {
    service.emplace();
  } else {
    service = phone->TakeService(port);
  }
  if (!service || !phone->Register(channel)) {
    (void)ReplyResult(channel, request.tag, kRefused);
    return;
  }
  if (ReplyResult(channel, request.tag, kOk).ok()) {
    if (port == kLockdownPort) {
      ServeLockdown(*phone, channel);
    } else {
      ServeService(*phone, *service, channel);
    }
    (void)channel.Flush();
  }
  phone->Unregister(channel);
}

absl::Status UsbmuxServer::AnswerPairRecord(Channel& channel, const Request& request,
                                            const std::string& type) {
  const std::string udid = request.body.StringOr("PairRecordID", "");
  if (!IsUdid(udid)) {
    Violation("usbmuxd: pair record without a proper PairRecordID");
    return ReplyResult(channel, request.tag, kBadCommand);
  }
  MutexLock lock(mutex_);
  if (type == "ReadPairRecord") {
    const std::optional<std::string> record = FindRecord(udid);
    if (!record) return ReplyResult(channel, request.tag, kBadDevice);
    return Reply(channel, request.tag, Plist::Dict().Set("PairRecordData", Plist::Data(*record)));
  }
  if (type == "DeletePairRecord") {
    pair_records_.erase(udid);
    if (!options_.state_dir.empty()) {
      MOORING_RETURN_IF_ERROR(RealFileSystem().Remove(RecordPath(options_.state_dir, udid)));
    }
    return ReplyResult(channel, request.tag, kOk);
  }
  const std::optional<std::string> data = request.body.Find("PairRecordData").AsData();
  if (!data || !Plist::Parse(*data).ok()) {
    return ReplyResult(channel, request.tag, kBadCommand);
  }
  MOORING_RETURN_IF_ERROR(ReplyResult(channel, request.tag, kOk));
  return StoreRecord(udid, *data);
}

std::optional<std::string> UsbmuxServer::FindRecord(const std::string& udid) {
  if (!pair_records_.contains(udid) && !options_.state_dir.empty()) {
    const absl::StatusOr<Bytes> stored =
        RealFileSystem().Read(RecordPath(options_.state_dir, udid), kMessageBytesMax);
    if (stored.ok()) pair_records_[udid] = ToString(*stored);
  }
  const auto record = pair_records_.find(udid);
  if (record == pair_records_.end()) return std::nullopt;
  return record->second;
}

absl::Status UsbmuxServer::StoreRecord(const std::string& udid, const std::string& record) {
  pair_records_[udid] = record;
  if (!options_.state_dir.empty()) {
    MOORING_RETURN_IF_ERROR(
        WriteFileDurably(RealFileSystem(), RecordPath(options_.state_dir, udid), AsBytes(record)));
  }
  for (const auto& [id, phone] : attached_) {
    if (phone->identity().udid != udid) continue;
    Broadcast(Plist::Dict().Set("MessageType", "Paired").Set("DeviceID", Plist::Integer(id)));
  }
  return absl::OkStatus();
}

void UsbmuxServer::Preflight(Phone& phone) {
  const std::string& udid = phone.identity().udid;
  std::optional<std::string> record;
  {
    MutexLock lock(mutex_);
    record = FindRecord(udid);
  }
  if (record) {
    const absl::StatusOr<Plist> known = Plist::Parse(*record);
    if (known.ok() && phone.FindHost(known->StringOr("HostID", ""))) return;
  }
  const absl::StatusOr<PhoneKey> key = phone.Key();
  if (!key.ok()) return;
  absl::StatusOr<HostPairing> pairing = MakeHostPairing(
      *key, options_.buid, HostId::Make(phone.random()).hex(), phone.identity().wifi_address);
  if (!pairing.ok()) return;
  pairing->trust.escrow_bag = EscrowBag::Make(phone.random()).bytes();
  pairing->record.Set("EscrowBag", Plist::Data(pairing->trust.escrow_bag));
  if (!phone.TryPair(pairing->trust).ok()) return;  // The dialog is up, or was refused.
  MutexLock lock(mutex_);
  (void)StoreRecord(udid, pairing->record.Xml());
}

void UsbmuxServer::Broadcast(const Plist& event) {
  for (Channel* subscriber : subscribers_) (void)Reply(*subscriber, 0, event);
}

void UsbmuxServer::Attach(std::shared_ptr<Phone> phone) {
  MutexLock lock(mutex_);
  for (const auto& [id, other] : attached_) {
    if (other == phone) return;
  }
  const std::uint64_t id = ++last_device_id_;
  phone->BeginAttachment();
  Broadcast(DescribeDevice(id, *phone));
  attached_.emplace(id, std::move(phone));
}

void UsbmuxServer::Detach(const std::string& udid) {
  std::shared_ptr<Phone> phone;
  {
    MutexLock lock(mutex_);
    for (auto at = attached_.begin(); at != attached_.end(); ++at) {
      if (at->second->identity().udid != udid) continue;
      phone = at->second;
      Broadcast(
          Plist::Dict().Set("MessageType", "Detached").Set("DeviceID", Plist::Integer(at->first)));
      attached_.erase(at);
      break;
    }
  }
  if (phone != nullptr) phone->EndAttachment();
}

bool UsbmuxServer::IsAttached(const std::string& udid) {
  MutexLock lock(mutex_);
  return std::any_of(attached_.begin(), attached_.end(), [&](const auto& attached) {
    return attached.second->identity().udid == udid;
  });
}

std::vector<std::string> UsbmuxServer::violations() {
  MutexLock lock(mutex_);
  return violations_;
}

void UsbmuxServer::Violation(std::string what) {
  MutexLock lock(mutex_);
  if (violations_.size() < 1000) violations_.push_back(std::move(what));
}

}  // namespace mooring::testing

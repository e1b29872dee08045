// SyncConnection: the phone's files over its sync service.

#pragma once

#include <functional>
#include <memory>

#include "agent/android/adb_device.h"
#include "agent/android/adb_stream.h"

namespace mooring::agent {

// Thread-bound.
class SyncConnection final : public AdbSync {
 public:
  // Opens a fresh stream to the phone's "sync:".
  using Opener = std::function<absl::StatusOr<std::unique_ptr<AdbStream>>(const OpContext& ctx)>;

  SyncConnection(Opener opener, const AdbFeatures& features);
  ~SyncConnection() override;

  // Opens the first stream, so that a phone that has none is told at once.
  absl::Status Start(const OpContext& ctx);

  absl::StatusOr<AdbStat> Stat(const OpContext& ctx, std::string_view path) override;
  absl::Status List(
      const OpContext& ctx, std::string_view path,
      absl::FunctionRef<absl::Status(std::string_view name, const AdbStat& stat)> visit) override;
  absl::Status Receive(const OpContext& ctx, std::string_view path,
                       absl::FunctionRef<absl::Status(ByteView)> sink) override;
  absl::Status Send(const OpContext& ctx, std::string_view path, const AdbSendFacts& facts,
                    ByteSource source) override;

 private:
  // A request on a stream that has nothing else going on. The stream counts as
  // spent until Done: whatever ends a request early leaves bytes behind.
  absl::Status Begin(const OpContext& ctx, std::string_view id, std::string_view path);
  void Done() { spent_ = false; }

  absl::StatusOr<AdbStat> ReadStat(const OpContext& ctx);
  absl::Status ListEntries(
      const OpContext& ctx,
      absl::FunctionRef<absl::Status(std::string_view name, const AdbStat& stat)> visit);
  // The text of a FAIL, as the refusal of this file. Phones hang up after it.
  absl::Status TakeRefusal(const OpContext& ctx, std::size_t length);
  // Writes while listening for an early refusal; false once there is something to read.
  absl::StatusOr<bool> WriteUnlessHeard(const OpContext& ctx, ByteView bytes);
  // False if the phone spoke before all was sent.
  absl::StatusOr<bool> SendContent(const OpContext& ctx, std::int64_t modified_unix_s,
                                   ByteSource source);
  absl::Status ReadSendStatus(const OpContext& ctx);

  const Opener opener_;
  const bool has_stat_v2_;
  const bool has_list_v2_;
  std::unique_ptr<AdbStream> stream_;
  bool spent_ = true;
};

}  // namespace mooring::agent

// Connection: one server, as one person. Every call goes through here, so that
// each has a deadline, the token, and an end when Ctrl-C is pressed.

#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include "admin/cli/environment.h"
#include "proto/rpc_status.h"
#include "storage/base/clock.h"

namespace mooring::admin {

inline constexpr absl::Duration kCallTimeout = absl::Seconds(30);
// A report of 100,000 devices is one message.
inline constexpr int kMessageBytesMax = 128 << 20;

// TLS with the CA of `config` and no other.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeTlsChannel(const cli::v1::CliConfig& config);

// `status` with what a person can do about it; its cause is kept.
absl::Status WithNextStep(const absl::Status& status, const std::string& next_step);
// That, or empty.
std::string NextStepOf(const absl::Status& status);

// A stream of answers. Thread-bound.
template <typename Response>
class ServerStream {
 public:
  ServerStream(std::unique_ptr<grpc::ClientContext> context,
               std::unique_ptr<grpc::ClientReader<Response>> reader, const std::stop_token& stop)
      : context_(std::move(context)),
        reader_(std::move(reader)),
        on_stop_(std::make_unique<StopCallback>(stop, Cancel{context_.get()})) {}
  ~ServerStream() {
    // A reader must be finished before its context goes.
    if (reader_ != nullptr && !finished_) {
      context_->TryCancel();
      Response ignored;
      while (reader_->Read(&ignored)) {
      }
      reader_->Finish();
    }
  }
  ServerStream(ServerStream&&) noexcept = default;
  ServerStream& operator=(ServerStream&&) = delete;

  // False at the end of the stream; Finish says why it ended.
  bool Read(Response& response) { return reader_->Read(&response); }

  absl::Status Finish() {
    finished_ = true;
    return FromGrpcStatus(reader_->Finish());
  }

 private:
  struct Cancel {
    void operator()() const { context->TryCancel(); }
    grpc::ClientContext* context;
  };
  using StopCallback = std::stop_callback<Cancel>;

  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<Response>> reader_;
  std::unique_ptr<StopCallback> on_stop_;
  bool finished_ = false;
};

// Thread-compatible.
class Connection {
 public:
  Connection(std::shared_ptr<grpc::Channel> channel, std::string server, std::string token,
             Clock& clock, std::stop_token stop)
      : channel_(std::move(channel)),
        server_(std::move(server)),
        token_(std::move(token)),
        clock_(clock),
        stop_(std::move(stop)) {}

  const std::string& server() const { return server_; }

  // connection.Call(&v1::FleetService::Stub::ListDevices, request)
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request, absl::Duration timeout = kCallTimeout) {
    Stub stub(channel_);
    grpc::ClientContext context;
    Prepare(context, timeout);
    const std::stop_callback on_stop(stop_, [&context] { context.TryCancel(); });
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return Explain(FromGrpcStatus(status));
    return response;
  }

  // As Call, for a stream of answers, with no end in time.
  template <typename Stub, typename Request, typename Response>
  ServerStream<Response> Stream(std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(
                                    grpc::ClientContext*, const Request&),
                                const Request& request) {
    Stub stub(channel_);
    auto context = std::make_unique<grpc::ClientContext>();
    Prepare(*context, absl::InfiniteDuration());
    auto reader = (stub.*method)(context.get(), request);
    return ServerStream<Response>(std::move(context), std::move(reader), stop_);
  }

  // Adds what a person can do about a status that a call or a stream ended with.
  absl::Status Explain(const absl::Status& status) const;

 private:
  void Prepare(grpc::ClientContext& context, absl::Duration timeout) const;

  std::shared_ptr<grpc::Channel> channel_;
  std::string server_;
  std::string token_;
  Clock& clock_;
  std::stop_token stop_;
};

}  // namespace mooring::admin

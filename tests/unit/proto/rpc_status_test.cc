#include "proto/rpc_status.h"

#include <gtest/gtest.h>

namespace mooring {
namespace {

TEST(RpcStatusTest, CodeMessageAndDetailSurviveTheWire) {
  v1::ErrorDetail detail;
  detail.set_cause(v1::CAUSE_SERVER_BUSY);
  detail.set_next_step("try again");
  detail.set_in_doubt(true);
  const absl::Status sent =
      WithErrorDetail(absl::ResourceExhaustedError("1000 sessions wait already"), detail);
  const absl::Status back = FromGrpcStatus(ToGrpcStatus(sent));
  EXPECT_EQ(back.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(back.message(), "1000 sessions wait already");
  const auto received = ErrorDetailOf(back);
  ASSERT_TRUE(received.has_value());
  EXPECT_EQ(received->SerializeAsString(), detail.SerializeAsString());
}

TEST(RpcStatusTest, WithoutDetailThereIsNone) {
  const absl::Status back = FromGrpcStatus(ToGrpcStatus(absl::NotFoundError("no such phone")));
  EXPECT_EQ(back.code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ErrorDetailOf(back).has_value());
  EXPECT_TRUE(FromGrpcStatus(ToGrpcStatus(absl::OkStatus())).ok());
}

TEST(RpcStatusTest, LongMessagesAreCutAndForeignDetailsIgnored) {
  EXPECT_EQ(ToGrpcStatus(absl::InternalError(std::string(5000, 'x'))).error_message().size(),
            kStatusMessageBytesMax);
  const grpc::Status foreign(grpc::StatusCode::INTERNAL, "x", "\xff\xff not a message");
  EXPECT_FALSE(ErrorDetailOf(FromGrpcStatus(foreign)).has_value());
}

TEST(RpcStatusTest, OkTakesNoDetail) {
  EXPECT_TRUE(WithCause(absl::OkStatus(), v1::CAUSE_CANCELLED).ok());
}

}  // namespace
}  // namespace mooring

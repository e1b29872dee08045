#include "storage/base/status.h"

#include <memory>
#include <string>

#include <absl/strings/cord.h>
#include <gtest/gtest.h>

namespace mooring {
namespace {

TEST(StatusTest, AnnotateKeepsCodeAndPayload) {
  absl::Status status = absl::NotFoundError("no such pack");
  status.SetPayload("url", absl::Cord("payload"));
  const absl::Status annotated = Annotate(status, "reading chunk");
  EXPECT_EQ(annotated.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(annotated.message(), "reading chunk: no such pack");
  EXPECT_EQ(annotated.GetPayload("url"), absl::Cord("payload"));
  EXPECT_TRUE(Annotate(absl::OkStatus(), "context").ok());
}

absl::StatusOr<std::unique_ptr<int>> Make(bool ok) {
  if (!ok) return absl::AbortedError("not made");
  return std::make_unique<int>(7);
}

absl::StatusOr<int> Use(bool ok) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<int> value, Make(ok));
  MOORING_RETURN_IF_ERROR(absl::OkStatus());
  return *value;
}

TEST(StatusTest, TheMacrosPassValuesAndErrorsOn) {
  EXPECT_EQ(Use(true).value(), 7);
  EXPECT_EQ(Use(false).status().message(), "not made");
}

}  // namespace
}  // namespace mooring

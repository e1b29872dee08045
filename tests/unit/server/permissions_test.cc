#include "server/auth/permissions.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include "mooring/v1/fleet.pb.h"
#include "server/rpc/method_names.h"

namespace mooring::server {
namespace {

using ::testing::HasSubstr;

TEST(PermissionTableTest, EveryRpcDeclaresOne) {
  const auto table = PermissionTable::Read(ServiceNames());
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->Required(method::kEnroll), v1::PERMISSION_PUBLIC);
  EXPECT_EQ(table->Required(method::kBeginBackup), v1::PERMISSION_AGENT);
  EXPECT_EQ(table->Required(method::kListDevices), v1::PERMISSION_VIEW);
  EXPECT_EQ(table->Required(method::kApproveRequest), v1::PERMISSION_APPROVE);
  EXPECT_EQ(table->Required(method::kReadChunks), v1::PERMISSION_GRANT);
}

TEST(PermissionTableTest, NothingIsPublicButEnrollment) {
  const auto table = PermissionTable::Read(ServiceNames());
  ASSERT_TRUE(table.ok());
  for (const auto& [name, permission] : table->all()) {
    EXPECT_TRUE(permission != v1::PERMISSION_PUBLIC || name == method::kEnroll) << name;
  }
}

// Every service of mooring.v1 is served, and every method has its name in the list.
TEST(PermissionTableTest, TheListsAreComplete) {
  std::ifstream file(std::string(MOORING_SOURCE_DIR) + "/server/rpc/method_names.h");
  std::stringstream text;
  text << file.rdbuf();
  const auto table = PermissionTable::Read(ServiceNames());
  ASSERT_TRUE(table.ok());
  for (const auto& [name, permission] : table->all()) {
    EXPECT_THAT(text.str(), HasSubstr("\"" + name + "\"")) << permission;
  }
  std::size_t services = 0;
  for (const char* proto :
       {"access", "agent", "backup", "care", "collection", "common", "enrollment", "fleet",
        "policy", "report", "repository", "restore", "retention"}) {
    const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindFileByName(
        std::string("mooring/v1/") + proto + ".proto");
    ASSERT_NE(descriptor, nullptr) << proto;
    services += static_cast<std::size_t>(descriptor->service_count());
  }
  EXPECT_EQ(services, ServiceNames().size());
}

TEST(PermissionTableTest, UnknownMethodsAreNobodys) {
  const auto table = PermissionTable::Read(ServiceNames());
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->Required("mooring.v1.FleetService.Nothing"), v1::PERMISSION_UNSPECIFIED);
}

TEST(PermissionTableTest, AServiceWithoutPermissionsKeepsTheServerFromStarting) {
  google::protobuf::FileDescriptorProto file;
  file.set_name("bad.proto");
  file.set_package("bad");
  file.add_message_type()->set_name("Empty");
  auto* service = file.add_service();
  service->set_name("BadService");
  auto* bad_method = service->add_method();
  bad_method->set_name("Open");
  bad_method->set_input_type(".bad.Empty");
  bad_method->set_output_type(".bad.Empty");
  google::protobuf::DescriptorPool pool;
  ASSERT_NE(pool.BuildFile(file), nullptr);
  const auto table = PermissionTable::Read({"bad.BadService"}, pool);
  EXPECT_EQ(table.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(table.status().message()), HasSubstr("bad.BadService.Open"));
}

}  // namespace
}  // namespace mooring::server

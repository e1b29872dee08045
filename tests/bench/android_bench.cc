// Listing a phone's files and comparing them with the snapshot before.
//
//   android_bench
//
// The phone's side is left out: what find prints is ready. "files/s" is of CPU time.

#include <memory>
#include <string>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "agent/android/storage_survey.h"
#include "agent/pipeline/snapshot_builder_impl.h"
#include "storage/base/check.h"
#include "tests/support/memory_link.h"
#include "tests/unit/agent/android/fake_adb_device.h"

namespace mooring::agent {
namespace {

using mooring::testing::FakePhone;
using mooring::testing::FakeReply;
using mooring::testing::MemoryLink;

std::string PathOf(int file) {
  return fmt::format("DCIM/Camera/folder{:03}/IMG_20240301_{:06}.jpg", file / 500, file);
}

std::unique_ptr<SnapshotBuilderImpl> Session(const OpContext& ctx, MemoryLink& link,
                                             Random& random) {
  v1::BeginBackupRequest request;
  request.mutable_device()->set_serial("serial");
  auto grant = link.Begin(ctx, request);
  MOORING_CHECK(grant.ok());
  auto builder =
      SnapshotBuilderImpl::Create(ctx, link, random, *grant, link.hpke_private_key(), {});
  MOORING_CHECK(builder.ok());
  return *std::move(builder);
}

void StoreAll(const OpContext& ctx, MemoryLink& link, Random& random, int files) {
  const auto builder = Session(ctx, link, random);
  for (int i = 0; i < files; ++i) {
    FileFacts facts;
    facts.modified_unix_ns = (1'700'000'000LL + i) * 1'000'000'000;
    auto writer = builder->Put(ctx, "storage/internal/" + PathOf(i), facts, Domain::kPerson);
    MOORING_CHECK(writer.ok() && (*writer)->Write(AsBytes("12 bytes long")).ok() &&
                  (*writer)->Close().ok());
  }
  CommitFacts facts;
  facts.captures.emplace_back().set_kind(v1::CAPTURE_KIND_FULL);
  MOORING_CHECK(builder->Finish(ctx, facts).ok());
}

void BM_ListAndCompare(benchmark::State& state) {
  const auto files = static_cast<int>(state.range(0));
  const OpContext ctx;
  SeededRandom random(1);
  MemoryLink link(random);
  StoreAll(ctx, link, random, files);
  FakeReply listing;
  for (int i = 0; i < files; ++i) {
    listing.output += fmt::format("-rw-rw----\t13\t{}.0000000000\t{}\t{}", 1'700'000'000LL + i,
                                  i + 10, PathOf(i));
    listing.output += '\0';
  }
  FakePhone phone;
  phone.Put("/sdcard/x", "");
  phone.answer = [&](const std::string&) { return listing; };
  const auto found = phone.Finder()(ctx);
  MOORING_CHECK(found.ok());
  const auto sync = found->device->Sync(ctx);
  MOORING_CHECK(sync.ok());
  const auto builder = Session(ctx, link, random);
  GapList gaps;
  for (auto unused : state) {
    StorageSurvey::Options options;
    options.is_wanted = [](std::string_view) { return true; };
    StorageSurvey survey(*builder, gaps, {"/sdcard", "storage/internal", Domain::kPerson}, options);
    MOORING_CHECK(survey.Run(ctx, *found->device, **sync).ok());
    MOORING_CHECK(survey.wanted().empty() && survey.Gone().empty());
    MOORING_CHECK(survey.files() == static_cast<std::uint64_t>(files));
  }
  state.counters["files/s"] = benchmark::Counter(static_cast<double>(state.iterations()) * files,
                                                 benchmark::Counter::kIsRate);
}
BENCHMARK(BM_ListAndCompare)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace mooring::agent

BENCHMARK_MAIN();

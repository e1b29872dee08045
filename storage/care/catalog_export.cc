#include "storage/care/catalog_export.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/care/pack_check.h"
#include "storage/catalog/care_store.h"
#include "storage/catalog/collection_store.h"
#include "storage/catalog/organization_store.h"
#include "storage/repository/audit_detail.h"
#include "storage/seal/sealed_stream.h"

namespace mooring::storage {
namespace {

constexpr std::uint64_t kPartBytes = std::uint64_t{64} << 20;
constexpr std::size_t kTailBytes = std::size_t{2} << 20;
constexpr int kPartsMax = 9999;
constexpr std::string_view kTimeFormat = "%E4Y%m%dt%H%M%E6Sz";
constexpr std::size_t kTimeChars = 23;  // 20261123t080102.123456z

std::string NameOf(absl::Time made_at, std::uint64_t epoch) {
  return fmt::format("{}{}-{:016x}", kCatalogPrefix,
                     absl::FormatTime(ToAbsl(kTimeFormat), made_at, absl::UTCTimeZone()), epoch);
}

std::string PartKey(std::string_view name, std::uint64_t part) {
  return fmt::format("{}.{:04}", name, part);
}

// The export that `key` is the last object of; nullopt for parts and strangers.
std::optional<ExportInfo> ParseName(std::string_view key) {
  if (key.size() != kCatalogPrefix.size() + kTimeChars + 17 || !key.starts_with(kCatalogPrefix)) {
    return std::nullopt;
  }
  ExportInfo info;
  info.name = std::string(key);
  const std::string time(key.substr(kCatalogPrefix.size(), kTimeChars));
  if (!absl::ParseTime(ToAbsl(kTimeFormat), time, &info.made_at, nullptr)) return std::nullopt;
  if (!absl::SimpleHexAtoi(ToAbsl(key.substr(key.size() - 16)), &info.epoch)) return std::nullopt;
  return NameOf(info.made_at, info.epoch) == key ? std::optional(info) : std::nullopt;
}

// Cuts a stream into objects. The last one is small and makes the export complete.
class PartWriter {
 public:
  PartWriter(const OpContext& ctx, ObjectStore& objects, std::string name)
      : ctx_(ctx), objects_(objects), name_(std::move(name)) {}

  absl::Status Append(ByteView bytes) {
    mooring::Append(pending_, bytes);
    bytes_ += bytes.size();
    if (pending_.size() <= kTailBytes) return absl::OkStatus();
    if (part_ == nullptr) {
      if (parts_ > kPartsMax) return absl::ResourceExhaustedError("catalog export: too long");
      MOORING_ASSIGN_OR_RETURN(part_, objects_.NewObject(ctx_, PartKey(name_, parts_)));
      ++parts_;
    }
    MOORING_RETURN_IF_ERROR(part_->Append(ctx_, pending_));
    part_bytes_ += pending_.size();
    pending_.clear();
    return part_bytes_ < kPartBytes ? absl::OkStatus() : ClosePart();
  }

  absl::Status Finish() {
    if (part_ != nullptr) MOORING_RETURN_IF_ERROR(ClosePart());
    return objects_.Put(ctx_, name_, pending_, absl::InfinitePast());
  }

  std::uint64_t parts() const { return parts_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  absl::Status ClosePart() {
    const absl::Status closed = part_->Commit(ctx_, absl::InfinitePast());
    part_.reset();
    part_bytes_ = 0;
    return closed;
  }

  const OpContext& ctx_;
  ObjectStore& objects_;
  const std::string name_;
  Bytes pending_;
  std::unique_ptr<ObjectWriter> part_;
  std::uint64_t part_bytes_ = 0;
  std::uint64_t parts_ = 0;
  std::uint64_t bytes_ = 0;
};

class RecordSink final : public DumpSink {
 public:
  explicit RecordSink(SealedStreamWriter& stream) : stream_(stream) {}

  absl::Status Give(const format::v1::CatalogExportRecord& record) {
    Bytes out;
    const std::string body = record.SerializeAsString();
    if (body.size() > kExportRecordBytesMax) {
      return absl::InternalError("catalog export: a row is too long");
    }
    AppendLe32(out, static_cast<std::uint32_t>(body.size()));
    mooring::Append(out, AsBytes(body));
    return stream_.Write(out);
  }

  absl::Status Table(const DumpTable& table) override {
    format::v1::CatalogExportRecord record;
    record.mutable_table()->set_name(table.name);
    for (const std::string& column : table.columns) record.mutable_table()->add_columns(column);
    ++tables;
    return Give(record);
  }

  absl::Status Row(const DumpValues& values) override {
    format::v1::CatalogExportRecord record;
    format::v1::CatalogExportRow& row = *record.mutable_row();
    for (const std::optional<std::string>& value : values) {
      format::v1::CatalogExportValue& kept = *row.add_values();
      if (value) kept.set_text(*value);
    }
    ++rows;
    return Give(record);
  }

  absl::Status Number(const DumpNumber& number) override {
    format::v1::CatalogExportRecord record;
    record.mutable_number()->set_table(number.table);
    record.mutable_number()->set_column(number.column);
    record.mutable_number()->set_last(number.last);
    return Give(record);
  }

  std::uint64_t tables = 0;
  std::uint64_t rows = 0;

 private:
  SealedStreamWriter& stream_;
};

// Takes records off a stream of pieces.
class RecordReader {
 public:
  using Visit = absl::FunctionRef<absl::Status(const format::v1::CatalogExportRecord&)>;
  explicit RecordReader(Visit visit) : visit_(visit) {}

  absl::Status Take(ByteView piece) {
    mooring::Append(buffer_, piece);
    std::size_t at = 0;
    while (buffer_.size() - at >= 4) {
      const std::uint32_t length = LoadLe32(buffer_, at);
      if (length > kExportRecordBytesMax) return Bad("a record of an absurd length");
      if (buffer_.size() - at - 4 < length) break;
      format::v1::CatalogExportRecord record;
      if (!record.ParseFromArray(buffer_.data() + at + 4, static_cast<int>(length))) {
        return Bad("a record that does not parse");
      }
      at += 4 + length;
      MOORING_RETURN_IF_ERROR(TakeRecord(record));
    }
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at));
    return absl::OkStatus();
  }

  absl::Status Finish() const {
    if (!buffer_.empty() || !has_ended_) return Bad("its last record is not the end");
    return absl::OkStatus();
  }

 private:
  static absl::Status Bad(std::string_view what) {
    return absl::DataLossError(fmt::format("catalog export: {}", what));
  }

  // The header first, rows under a table and as many values as it has columns, the
  // end last and agreeing with what came.
  absl::Status TakeRecord(const format::v1::CatalogExportRecord& record) {
    if (has_ended_) return Bad("records behind its end");
    if (!has_begun_ && !record.has_header()) return Bad("no header");
    if (has_begun_ && record.has_header()) return Bad("two headers");
    has_begun_ = true;
    if (record.has_table()) {
      ++tables_;
      columns_ = record.table().columns_size();
    } else if (record.has_row()) {
      if (tables_ == 0 || record.row().values_size() != columns_) return Bad("an ill-formed row");
      ++rows_;
    } else if (record.has_end()) {
      has_ended_ = true;
      if (record.end().tables() != tables_ || record.end().rows() != rows_) {
        return Bad("its end counts other rows");
      }
    } else if (!record.has_header() && !record.has_number()) {
      return Bad("an unknown record");
    }
    return visit_(record);
  }

  Visit visit_;
  Bytes buffer_;
  bool has_begun_ = false;
  bool has_ended_ = false;
  int columns_ = 0;
  std::uint64_t tables_ = 0;
  std::uint64_t rows_ = 0;
};

}  // namespace

const DumpSelection& ExportSelection() {
  static const DumpSelection& selection =
      *new DumpSelection{.without_tables =
                             {// From packs, key objects and commit records.
                              "chunk", "pack", "key_slot", "chunk_owner",
                              // Of this database alone.
                              "schema_migration",
                              // Of the moment.
                              "session_touch", "job_lease", "job_turn", "care_state",
                              "collection_state", "server", "agent_place", "server_order",
                              // In the recovery kit.
                              "authority"},
                         .without_columns = {// From the commit record.
                                             "snapshot.root", "snapshot.refs", "snapshot.base_ids",
                                             // Of the moment.
                                             "device.attached_agent_id"}};
  return selection;
}

absl::StatusOr<ExportSummary> CatalogExporter::Run(const OpContext& ctx, std::size_t keep) {
  MOORING_RETURN_IF_ERROR(CheckStoreIsThere(ctx, parts_.objects));
  ExportSummary summary;
  std::string repository_id;
  std::uint64_t epoch = 0;
  const absl::Status read = parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto repository, tx.organization().GetRepository());
    if (!repository) return absl::FailedPreconditionError("the catalog knows no repository");
    repository_id = ToString(repository->id);
    MOORING_ASSIGN_OR_RETURN(const CollectionState state, tx.collection().Get());
    epoch = state.epoch;
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  // Taken before the rows are read: whatever is older than this is in the export.
  summary.info.made_at = absl::FromUnixMicros(absl::ToUnixMicros(parts_.clock.Now()));
  summary.info.epoch = epoch;
  summary.info.name = NameOf(summary.info.made_at, summary.info.epoch);
  PartWriter parts(ctx, parts_.objects, summary.info.name);
  SealedStreamWriter stream(parts_.organization_key, parts_.random,
                            {.made_at = summary.info.made_at, .epoch = summary.info.epoch},
                            [&parts](ByteView bytes) { return parts.Append(bytes); });
  RecordSink sink(stream);
  format::v1::CatalogExportRecord record;
  format::v1::CatalogExportHeader& header = *record.mutable_header();
  header.set_repository_id(repository_id);
  header.set_made_unix_us(absl::ToUnixMicros(summary.info.made_at));
  header.set_epoch(summary.info.epoch);
  header.set_schema_version(static_cast<std::uint32_t>(SchemaVersion()));
  header.set_program_version(parts_.program_version);
  MOORING_RETURN_IF_ERROR(sink.Give(record));
  MOORING_RETURN_IF_ERROR(
      DumpCatalog(ctx, parts_.database_url, parts_.clock, ExportSelection(), sink));
  record.mutable_end()->set_tables(sink.tables);
  record.mutable_end()->set_rows(sink.rows);
  MOORING_RETURN_IF_ERROR(sink.Give(record));
  MOORING_RETURN_IF_ERROR(stream.Finish());
  MOORING_RETURN_IF_ERROR(parts.Finish());
  summary.tables = sink.tables;
  summary.rows = sink.rows;
  summary.info.parts = parts.parts();
  summary.info.bytes = parts.bytes();
  // One that cannot be read is no backup.
  const absl::Status back =
      ReadExport(ctx, parts_.objects, parts_.organization_key, summary.info,
                 [](const format::v1::CatalogExportRecord&) { return absl::OkStatus(); });
  if (!back.ok()) {
    parts_.objects.Remove(ctx, summary.info.name).IgnoreError();
    return Annotate(back, "catalog export: read back");
  }
  const absl::Status noted = parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(CareState state, tx.care().State(RowLock::kExclusive));
    state.exported_at = summary.info.made_at;
    MOORING_RETURN_IF_ERROR(tx.care().SetState(state));
    return tx.Audit({.at = parts_.clock.Now(),
                     .actor = "server",
                     .action = "catalog.export",
                     .subject = summary.info.name,
                     .detail_json = AuditDetail({{"rows", fmt::format("{}", summary.rows)},
                                                 {"bytes", fmt::format("{}", parts.bytes())}})});
  });
  MOORING_RETURN_IF_ERROR(noted);
  MOORING_RETURN_IF_ERROR(RemoveOld(ctx, std::max<std::size_t>(keep, 1)));
  return summary;
}

absl::Status CatalogExporter::RemoveOld(const OpContext& ctx, std::size_t keep) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<ExportInfo> exports, ListExports(ctx, parts_.objects));
  if (exports.size() <= keep) return absl::OkStatus();
  const absl::Time oldest_kept = exports[keep - 1].made_at;
  std::vector<std::string> old;
  for (const ExportInfo& info : exports) {
    // The object that makes it complete goes first: no half export is ever taken for one.
    if (info.made_at < oldest_kept) old.push_back(info.name);
  }
  MOORING_RETURN_IF_ERROR(
      parts_.objects.List(ctx, kCatalogPrefix, [&](const ObjectInfo& object) -> absl::Status {
        // A part is its export's name, a dot and four digits.
        if (object.key.size() <= 5) return absl::OkStatus();
        const auto part = ParseName(std::string_view(object.key).substr(0, object.key.size() - 5));
        if (part && part->made_at < oldest_kept) old.push_back(object.key);
        return absl::OkStatus();
      }));
  for (const std::string& key : old) {
    const absl::Status removed = parts_.objects.Remove(ctx, key);
    // A lock only means that it stays longer.
    if (!removed.ok() && !absl::IsFailedPrecondition(removed)) return removed;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ExportInfo>> ListExports(const OpContext& ctx, ObjectStore& objects) {
  std::map<std::string, ExportInfo> exports;
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> parts;  // Count, bytes.
  const absl::Status listed =
      objects.List(ctx, kCatalogPrefix, [&](const ObjectInfo& object) -> absl::Status {
        if (auto info = ParseName(object.key)) {
          info->bytes = object.size_bytes;
          exports.emplace(info->name, *info);
        } else if (object.key.size() > 5) {
          auto& [count, bytes] = parts[object.key.substr(0, object.key.size() - 5)];
          ++count;
          bytes += object.size_bytes;
        }
        return absl::OkStatus();
      });
  MOORING_RETURN_IF_ERROR(listed);
  std::vector<ExportInfo> list;
  for (auto& [name, info] : exports) {
    if (const auto found = parts.find(name); found != parts.end()) {
      info.parts = found->second.first;
      info.bytes += found->second.second;
    }
    list.push_back(std::move(info));
  }
  std::reverse(list.begin(), list.end());
  return list;
}

absl::Status ReadExport(
    const OpContext& ctx, ObjectStore& objects, const SecretBytes& organization_key,
    const ExportInfo& info,
    absl::FunctionRef<absl::Status(const format::v1::CatalogExportRecord&)> visit) {
  std::uint64_t part = 0;
  std::uint64_t offset = 0;
  const auto source = [&](std::span<std::byte> out) -> absl::StatusOr<std::size_t> {
    std::size_t filled = 0;
    while (filled < out.size() && part <= info.parts) {
      const std::string key = part < info.parts ? PartKey(info.name, part) : info.name;
      absl::StatusOr<std::size_t> read = objects.ReadAt(ctx, key, offset, out.subspan(filled));
      if (absl::IsNotFound(read.status())) {
        return absl::DataLossError(fmt::format("catalog export: object {} is missing", key));
      }
      MOORING_RETURN_IF_ERROR(read.status());
      filled += *read;
      offset += *read;
      if (filled < out.size()) {
        ++part;
        offset = 0;
      }
    }
    return filled;
  };
  RecordReader records(visit);
  MOORING_RETURN_IF_ERROR(ReadSealedStream(organization_key, source, kExportBytesMax,
                                           [&](ByteView piece) { return records.Take(piece); }));
  return records.Finish();
}

}  // namespace mooring::storage

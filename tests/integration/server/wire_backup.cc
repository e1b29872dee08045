#include "tests/integration/server/wire_backup.h"

#include <map>
#include <set>
#include <utility>

#include "proto/rpc_status.h"
#include "storage/base/status.h"
#include "storage/manifest/manifest.h"

namespace mooring::testing {
namespace {

// Chunks of one domain that the session must send.
absl::StatusOr<std::set<ChunkId>> Missing(TestAgent& agent, const storage::BegunSession& session,
                                          const DomainId& domain, const std::vector<ChunkId>& ids) {
  std::set<ChunkId> missing;
  for (std::size_t begin = 0; begin < ids.size(); begin += 4096) {
    const std::size_t end = std::min(ids.size(), begin + 4096);
    grpc::ClientContext context;
    v1::FindChunksRequest request;
    request.set_session_id(session.session.bytes());
    request.set_domain_id(domain.bytes());
    for (std::size_t i = begin; i < end; ++i) request.add_ids(ids[i].bytes());
    v1::FindChunksResponse response;
    MOORING_RETURN_IF_ERROR(
        FromGrpcStatus(agent.backup().FindChunks(&context, request, &response)));
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t bit = i - begin;
      const auto byte = static_cast<unsigned char>(response.present()[bit / 8]);
      if ((byte >> (bit % 8) & 1U) == 0) missing.insert(ids[i]);
    }
  }
  return missing;
}

absl::Status Upload(TestAgent& agent, const storage::BegunSession& session,
                    const std::vector<const SealedForDomain*>& chunks, std::size_t chunks_a_pack) {
  grpc::ClientContext context;
  auto stream = agent.backup().UploadChunks(&context);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    v1::UploadChunksRequest request;
    request.set_session_id(session.session.bytes());
    request.set_domain_id(chunks[i]->domain.bytes());
    request.add_chunks(ToString(chunks[i]->chunk.bytes));
    request.set_flush((i + 1) % chunks_a_pack == 0 || i + 1 == chunks.size());
    if (!stream->Write(request)) break;
  }
  stream->WritesDone();
  v1::UploadChunksResponse response;
  std::uint64_t durable = 0;
  while (stream->Read(&response)) durable = response.durable_count();
  MOORING_RETURN_IF_ERROR(FromGrpcStatus(stream->Finish()));
  return durable == chunks.size() ? absl::OkStatus()
                                  : absl::DataLossError("not every chunk was acknowledged");
}

// Content of these chunks, through ReadChunks.
absl::StatusOr<std::map<ChunkId, storage::OpenedChunk>> ReadChunks(
    v1::RestoreService::Stub& stub, const std::string& grant,
    const std::map<ChunkId, storage::ChunkKey>& wanted) {
  grpc::ClientContext context;
  v1::ReadChunksRequest request;
  request.set_grant_id(grant);
  std::vector<ChunkId> order;
  for (const auto& [id, key] : wanted) {
    request.add_ids(id.bytes());
    order.push_back(id);
  }
  auto reader = stub.ReadChunks(&context, request);
  std::map<ChunkId, storage::OpenedChunk> opened;
  v1::ReadChunksResponse response;
  std::size_t next = 0;
  while (reader->Read(&response)) {
    const ChunkId& id = order.at(next++);
    MOORING_ASSIGN_OR_RETURN(opened[id],
                             storage::OpenChunk(AsBytes(response.chunk()), id, wanted.at(id)));
  }
  MOORING_RETURN_IF_ERROR(FromGrpcStatus(reader->Finish()));
  return opened;
}

absl::StatusOr<Files> ReadTree(v1::RestoreService::Stub& stub, const std::string& grant,
                               const storage::Root& root) {
  std::vector<DomainId> domains;
  for (const std::string& domain : root.body.domains()) {
    domains.push_back(*DomainId::FromBytes(domain));
  }
  std::map<ChunkId, storage::ChunkKey> segments;
  for (const auto& segment : root.body.segments()) {
    segments[*ChunkId::FromBytes(segment.chunk().id())] =
        *storage::ChunkKey::FromBytes(segment.chunk().key());
  }
  MOORING_ASSIGN_OR_RETURN(const auto opened, ReadChunks(stub, grant, segments));
  Files files;
  for (const auto& [id, chunk] : opened) {
    MOORING_ASSIGN_OR_RETURN(const auto entries, storage::DecodeSegment(chunk.content, domains));
    for (const storage::PathEntry& entry : entries) {
      std::map<ChunkId, storage::ChunkKey> wanted;
      for (const auto& extent : entry.entry.extents) wanted[extent.chunk.id] = extent.chunk.key;
      std::map<ChunkId, storage::OpenedChunk> content;
      if (!wanted.empty()) {
        MOORING_ASSIGN_OR_RETURN(content, ReadChunks(stub, grant, wanted));
      }
      std::string& text = files[entry.path];
      for (const auto& extent : entry.entry.extents) {
        text += AsText(
            ByteView(content.at(extent.chunk.id).content).subspan(extent.offset, extent.bytes));
      }
    }
  }
  return files;
}

}  // namespace

absl::Status UploadOverWire(TestAgent& agent, const storage::BegunSession& session,
                            const SealedTree& tree, std::size_t chunks_a_pack) {
  std::map<DomainId, std::vector<ChunkId>> by_domain;
  for (const SealedForDomain& chunk : tree.chunks) {
    by_domain[chunk.domain].push_back(chunk.chunk.id);
  }
  std::vector<const SealedForDomain*> to_send;
  for (const auto& [domain, ids] : by_domain) {
    MOORING_ASSIGN_OR_RETURN(const auto missing, Missing(agent, session, domain, ids));
    for (const SealedForDomain& chunk : tree.chunks) {
      if (chunk.domain == domain && missing.count(chunk.chunk.id) > 0) to_send.push_back(&chunk);
    }
  }
  return to_send.empty() ? absl::OkStatus() : Upload(agent, session, to_send, chunks_a_pack);
}

absl::StatusOr<v1::Receipt> CommitOverWire(TestAgent& agent, const SealedTree& tree) {
  grpc::ClientContext context;
  v1::CommitSnapshotResponse response;
  MOORING_RETURN_IF_ERROR(
      FromGrpcStatus(agent.backup().CommitSnapshot(&context, tree.request, &response)));
  if (!response.has_receipt()) return absl::DataLossError("the server asks for more chunks");
  return response.receipt();
}

absl::StatusOr<v1::Receipt> FinishOverWire(TestAgent& agent, const storage::BegunSession& session,
                                           const SealedTree& tree) {
  MOORING_RETURN_IF_ERROR(UploadOverWire(agent, session, tree));
  return CommitOverWire(agent, tree);
}

absl::StatusOr<WireBackup> BackUpOverWire(TestAgent& agent, const std::string& serial,
                                          const Files& files, Random& random) {
  MOORING_ASSIGN_OR_RETURN(const storage::BegunSession session, agent.BeginAndOpen(serial));
  SystemClock clock;
  MOORING_ASSIGN_OR_RETURN(const SealedTree tree, SealFiles(session, files, clock, random));
  WireBackup backup;
  backup.incremental = session.base.has_value();
  MOORING_ASSIGN_OR_RETURN(backup.receipt, FinishOverWire(agent, session, tree));
  return backup;
}

absl::StatusOr<Files> ReadOverWire(v1::RestoreService::Stub& stub, const storage::HpkeKeyPair& hpke,
                                   const std::string& code, const std::string& target_serial) {
  grpc::ClientContext context;
  v1::OpenSnapshotRequest request;
  request.set_grant_code(code);
  request.set_hpke_public_key(ToString(hpke.public_key));
  request.set_target_serial(target_serial);
  v1::OpenSnapshotResponse response;
  MOORING_RETURN_IF_ERROR(FromGrpcStatus(stub.OpenSnapshot(&context, request, &response)));
  MOORING_ASSIGN_OR_RETURN(
      const SecretBytes key,
      storage::HpkeOpen(hpke.private_key, "mooring/snapshot-key/1", AsBytes(response.snapshot_id()),
                        AsBytes(response.sealed_snapshot_key())));
  MOORING_ASSIGN_OR_RETURN(const storage::Root root,
                           storage::OpenRoot(key, AsBytes(response.root())));
  MOORING_ASSIGN_OR_RETURN(Files files, ReadTree(stub, response.grant_id(), root));
  grpc::ClientContext finish_context;
  v1::FinishRestoreRequest finish;
  finish.set_grant_id(response.grant_id());
  finish.set_succeeded(true);
  finish.set_file_count(files.size());
  v1::FinishRestoreResponse finished;
  MOORING_RETURN_IF_ERROR(FromGrpcStatus(stub.FinishRestore(&finish_context, finish, &finished)));
  return files;
}

absl::StatusOr<Files> ExportOverWire(AdminStubs& admin, const std::string& snapshot_id,
                                     Random& random) {
  grpc::ClientContext create_context;
  v1::CreateExportRequest create;
  create.set_snapshot_id(snapshot_id);
  create.set_reason("test");
  v1::CreateExportResponse created;
  MOORING_RETURN_IF_ERROR(
      FromGrpcStatus(admin.access->CreateExport(&create_context, create, &created)));
  grpc::ClientContext approve_context;
  v1::ApproveRequestRequest approve;
  approve.set_request_id(created.request().id());
  v1::ApproveRequestResponse approved;
  MOORING_RETURN_IF_ERROR(
      FromGrpcStatus(admin.access->ApproveRequest(&approve_context, approve, &approved)));
  grpc::ClientContext redeem_context;
  v1::RedeemExportRequest redeem;
  redeem.set_request_id(created.request().id());
  v1::RedeemExportResponse redeemed;
  MOORING_RETURN_IF_ERROR(
      FromGrpcStatus(admin.access->RedeemExport(&redeem_context, redeem, &redeemed)));
  MOORING_ASSIGN_OR_RETURN(const auto hpke, storage::MakeHpkeKeyPair(random));
  return ReadOverWire(*admin.restore, hpke, redeemed.grant_code(), "");
}

}  // namespace mooring::testing

#include "agent/pipeline/chunking_writer.h"

#include <algorithm>
#include <utility>

#include "storage/base/check.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// Room for one chunk of lookahead and one more, so that the rest is moved to
// the front once per chunk's worth of content at the most.
constexpr std::size_t kBufferBytes = 2 * storage::kChunkBytesMax;

}  // namespace

ChunkingWriter::ChunkingWriter(SnapshotBuilderImpl& builder, const OpContext& ctx, std::string path,
                               const FileFacts& facts, Domain domain)
    : builder_(builder),
      ctx_(ctx),
      path_(std::move(path)),
      facts_(facts),
      domain_(domain),
      file_(builder.pending_.Begin()) {
  builder_.writing_ = true;
  builder_.buffer_.clear();
}

ChunkingWriter::~ChunkingWriter() {
  builder_.writing_ = false;
  if (!closed_) builder_.pending_.Abandon(file_);
}

ByteView ChunkingWriter::rest() const {
  return ByteView(builder_.buffer_).subspan(begin_);
}

void ChunkingWriter::LookAtHead() {
  head_seen_ = true;
  media_ =
      storage::Chunker::IsMedia(rest().first(std::min(rest().size(), storage::kMediaHeadBytes)));
}

absl::Status ChunkingWriter::Write(ByteView bytes) {
  MOORING_CHECK(!closed_);
  Bytes& buffer = builder_.buffer_;
  size_ += bytes.size();
  builder_.read_bytes_ += bytes.size();
  while (!bytes.empty()) {
    const std::size_t room = kBufferBytes - buffer.size();
    const ByteView part = bytes.first(std::min(room, bytes.size()));
    Append(buffer, part);
    bytes = bytes.subspan(part.size());
    if (rest().size() >= storage::kChunkBytesMax) MOORING_RETURN_IF_ERROR(Cut(false));
    if (buffer.size() == kBufferBytes) {
      buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(begin_));
      begin_ = 0;
    }
  }
  return absl::OkStatus();
}

absl::Status ChunkingWriter::Cut(bool is_end) {
  if (!head_seen_) LookAtHead();
  while (rest().size() >= storage::kChunkBytesMax || (is_end && !rest().empty())) {
    std::size_t bytes = std::min(rest().size(), storage::kChunkBytesMax);
    if (!media_) bytes = builder_.chunker(domain_).NextCut(rest(), is_end);
    MOORING_RETURN_IF_ERROR(SubmitPiece(bytes));
  }
  return absl::OkStatus();
}

absl::Status ChunkingWriter::SubmitPiece(std::size_t bytes) {
  SealPipeline::Piece piece;
  piece.ticket = builder_.next_ticket_++;
  piece.organization_domain = domain_ == Domain::kOrganization;
  piece.compression = media_ ? storage::Compression::kNone : storage::Compression::kProbe;
  piece.readable_again = facts_.will_be_read;
  const ByteView content = rest().first(bytes);
  piece.content.assign(content.begin(), content.end());
  builder_.pending_.Extend(file_, {piece.ticket, 0, static_cast<std::uint32_t>(bytes)});
  begin_ += bytes;
  cut_ = true;
  MOORING_RETURN_IF_ERROR(builder_.pipeline_.Submit(ctx_, std::move(piece)));
  return builder_.Apply();
}

absl::Status ChunkingWriter::Close() {
  MOORING_CHECK(!closed_);
  const ByteView content = rest();
  if (!cut_ && content.size() < kBundledFileBytesMax && !facts_.will_be_read) {
    if (!content.empty()) {
      MOORING_RETURN_IF_ERROR(builder_.AddToBundle(ctx_, domain_, content, file_));
    }
  } else {
    MOORING_RETURN_IF_ERROR(Cut(true));
  }
  storage::Entry entry;
  entry.type = storage::EntryType::kFile;
  entry.size_bytes = size_;
  entry.modified_unix_ns = facts_.modified_unix_ns;
  entry.mode = facts_.mode;
  closed_ = true;
  return builder_.CloseFile(path_, std::move(entry), file_);
}

}  // namespace mooring::agent

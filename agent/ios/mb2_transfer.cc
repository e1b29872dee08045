#include "agent/ios/mb2_transfer.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "agent/device/cause.h"
#include "agent/ios/mb2_path.h"
#include "agent/ios/phone_failure.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::uint8_t kCodeEnd = 0x00;
constexpr std::uint8_t kCodeErrorRemote = 0x06;
constexpr std::uint8_t kCodeErrorLocal = 0x0B;
constexpr std::uint8_t kCodeData = 0x0C;
// What is read from the phone at once, whatever length a block announces.
constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

absl::Status OverQuota() {
  return Failure(absl::StatusCode::kResourceExhausted, v1::CAUSE_SERVER_FULL,
                 "the iPhone sends more than its backup may hold",
                 "Ask the administrator for more room for this phone");
}

class Receiver {
 public:
  Receiver(const OpContext& ctx, PhoneStream& stream, std::string_view udid, PhoneFiles& files,
           TransferCounts& counts, const OnMoved& on_moved)
      : ctx_(ctx),
        stream_(stream),
        udid_(udid),
        files_(files),
        counts_(counts),
        on_moved_(on_moved),
        buffer_(kPieceBytes) {}

  absl::Status Run() {
    while (true) {
      if (counts_.files + counts_.failed >= kReceivedFilesMax) {
        return ProtocolError("files without end");
      }
      MOORING_ASSIGN_OR_RETURN(const std::uint32_t device_path_bytes, ReadLength());
      if (device_path_bytes == 0) return absl::OkStatus();
      // Where the file lies on the phone: content, so neither kept nor logged.
      MOORING_RETURN_IF_ERROR(ReadText(device_path_bytes).status());
      MOORING_ASSIGN_OR_RETURN(const std::uint32_t path_bytes, ReadLength());
      if (path_bytes == 0) return ProtocolError("a file without a path");
      MOORING_ASSIGN_OR_RETURN(const std::string path, ReadText(path_bytes));
      MOORING_ASSIGN_OR_RETURN(const PhonePath target, ParsePhonePath(path, udid_));
      MOORING_RETURN_IF_ERROR(ReceiveFile(target));
    }
  }

 private:
  absl::StatusOr<std::uint32_t> ReadLength() {
    std::array<std::byte, 4> bytes{};
    MOORING_RETURN_IF_ERROR(stream_.Read(ctx_, bytes));
    return LoadBe32(bytes, 0);
  }

  absl::StatusOr<std::string> ReadText(std::uint32_t length) {
    if (length > kPhonePathBytesMax * 4) return ProtocolError("a path that is too long");
    std::string text(length, '\0');
    MOORING_RETURN_IF_ERROR(
        stream_.Read(ctx_, std::as_writable_bytes(std::span<char>(text.data(), text.size()))));
    return text;
  }

  absl::Status ReceiveFile(const PhonePath& target) {
    std::unique_ptr<FileWriter> writer;
    std::uint32_t empty_blocks = 0;
    while (true) {
      MOORING_ASSIGN_OR_RETURN(const std::uint32_t block_bytes, ReadLength());
      // The code counts into the length: without one there is no block.
      if (block_bytes == 0) return ProtocolError("a block of length 0");
      std::array<std::byte, 1> code_byte{};
      MOORING_RETURN_IF_ERROR(stream_.Read(ctx_, code_byte));
      const auto code = std::to_integer<std::uint8_t>(code_byte[0]);
      const std::uint32_t body_bytes = block_bytes - 1;
      if (code == kCodeData) {
        empty_blocks = body_bytes == 0 ? empty_blocks + 1 : 0;
        if (empty_blocks > kEmptyBlocksMax) return ProtocolError("empty blocks without end");
        MOORING_RETURN_IF_ERROR(OpenWriter(target, writer));
        MOORING_RETURN_IF_ERROR(ReceiveData(body_bytes, *writer));
        continue;
      }
      if (code == kCodeEnd || (code == kCodeErrorLocal && body_bytes == 0)) {
        MOORING_RETURN_IF_ERROR(Skip(body_bytes));
        MOORING_RETURN_IF_ERROR(OpenWriter(target, writer));
        ++counts_.files;
        on_moved_(1, 0);
        return writer->Close();
      }
      if (code != kCodeErrorLocal && code != kCodeErrorRemote) {
        return ProtocolError(fmt::format("a block with code {}", code));
      }
      // The text may name content: drained, counted, not kept. Dropping the
      // writer leaves the file out.
      ++counts_.failed;
      return Skip(body_bytes);
    }
  }

  absl::Status OpenWriter(const PhonePath& target, std::unique_ptr<FileWriter>& writer) {
    if (writer) return absl::OkStatus();
    if (!target.is_listed) return ProtocolError("a file where no file belongs");
    absl::StatusOr<std::unique_ptr<FileWriter>> opened = files_.Create(ctx_, target.snapshot_path);
    if (absl::IsPermissionDenied(opened.status())) {
      return ProtocolError("a file where none may be written");
    }
    MOORING_RETURN_IF_ERROR(opened.status());
    writer = *std::move(opened);
    return absl::OkStatus();
  }

  absl::Status ReceiveData(std::uint32_t length, FileWriter& writer) {
    for (std::uint32_t left = length; left > 0;) {
      const std::size_t piece = std::min<std::size_t>(left, buffer_.size());
      const std::span<std::byte> bytes = std::span(buffer_).first(piece);
      MOORING_RETURN_IF_ERROR(stream_.Read(ctx_, bytes));
      counts_.bytes += piece;
      // More than the phone was told that there is room for: it will not stop by itself.
      if (counts_.bytes > files_.free_bytes()) return OverQuota();
      MOORING_RETURN_IF_ERROR(writer.Write(bytes));
      on_moved_(0, piece);
      left -= static_cast<std::uint32_t>(piece);
    }
    return absl::OkStatus();
  }

  absl::Status Skip(std::uint32_t length) {
    for (std::uint32_t left = length; left > 0;) {
      const std::size_t piece = std::min<std::size_t>(left, buffer_.size());
      MOORING_RETURN_IF_ERROR(stream_.Read(ctx_, std::span(buffer_).first(piece)));
      left -= static_cast<std::uint32_t>(piece);
    }
    return absl::OkStatus();
  }

  const OpContext& ctx_;
  PhoneStream& stream_;
  const std::string_view udid_;
  PhoneFiles& files_;
  TransferCounts& counts_;
  const OnMoved& on_moved_;
  Bytes buffer_;
};

// One block: length, code, body in a single write.
absl::Status SendBlock(const OpContext& ctx, PhoneStream& stream, std::uint8_t code,
                       ByteView body) {
  Bytes block;
  block.reserve(body.size() + 5);
  AppendBe32(block, static_cast<std::uint32_t>(body.size() + 1));
  block.push_back(std::byte{code});
  Append(block, body);
  return stream.Write(ctx, block);
}

absl::Status SendContent(const OpContext& ctx, PhoneStream& stream, ByteView bytes,
                         TransferCounts& counts, const OnMoved& on_moved) {
  while (!bytes.empty()) {
    const ByteView piece = bytes.first(std::min(bytes.size(), kDownloadFrameBytes));
    MOORING_RETURN_IF_ERROR(SendBlock(ctx, stream, kCodeData, piece));
    counts.bytes += piece.size();
    on_moved(0, piece.size());
    bytes = bytes.subspan(piece.size());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReceiveFiles(const OpContext& ctx, PhoneStream& stream, std::string_view udid,
                          PhoneFiles& files, TransferCounts& counts, const OnMoved& on_moved) {
  return Receiver(ctx, stream, udid, files, counts, on_moved).Run();
}

std::int64_t DeviceLinkCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kNotFound:
      return -6;
    case absl::StatusCode::kAlreadyExists:
      return -7;
    case absl::StatusCode::kResourceExhausted:
      return -15;
    default:
      return -1;
  }
}

absl::StatusOr<TransferCounts> SendFiles(const OpContext& ctx, PhoneStream& stream,
                                         const std::vector<RequestedFile>& requested,
                                         PhoneFiles& files, std::vector<UnsentFile>& unsent,
                                         const OnMoved& on_moved) {
  TransferCounts counts;
  for (const RequestedFile& file : requested) {
    Bytes header;
    AppendBe32(header, static_cast<std::uint32_t>(file.path.size()));
    Append(header, AsBytes(file.path));
    MOORING_RETURN_IF_ERROR(stream.Write(ctx, header));
    const auto send = [&](ByteView bytes) {
      return SendContent(ctx, stream, bytes, counts, on_moved);
    };
    const absl::Status read = file.snapshot_path.empty()
                                  ? absl::NotFoundError("no such file")
                                  : files.Read(ctx, file.snapshot_path, send);
    if (absl::IsNotFound(read)) {
      constexpr std::string_view kText = "No such file or directory";
      unsent.push_back({file.path, DeviceLinkCode(read), std::string(kText)});
      ++counts.failed;
      MOORING_RETURN_IF_ERROR(SendBlock(ctx, stream, kCodeErrorRemote, AsBytes(kText)));
      continue;
    }
    MOORING_RETURN_IF_ERROR(read);
    ++counts.files;
    on_moved(1, 0);
    MOORING_RETURN_IF_ERROR(SendBlock(ctx, stream, kCodeEnd, {}));
  }
  Bytes end;
  AppendBe32(end, 0);
  MOORING_RETURN_IF_ERROR(stream.Write(ctx, end));
  return counts;
}

}  // namespace mooring::agent

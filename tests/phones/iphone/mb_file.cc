#include "tests/phones/iphone/mb_file.h"

#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "storage/base/status.h"
#include "tests/phones/iphone/plist.h"

namespace mooring::testing {
namespace {

// A binary property list of fewer than 256 objects, written in one go. libplist
// could do it, at fifty times the cost; a phone has 200,000 of these.
class BinaryPlistWriter {
 public:
  using Ref = std::uint8_t;

  Ref Integer(std::uint64_t value) {
    Begin();
    if (value < 0x80) {
      out_ += '\x10';
      AppendBigEndian(value, 1);
    } else if (value < 0x8000) {
      out_ += '\x11';
      AppendBigEndian(value, 2);
    } else if (value < 0x80000000U) {
      out_ += '\x12';
      AppendBigEndian(value, 4);
    } else {
      out_ += '\x13';
      AppendBigEndian(value, 8);
    }
    return Last();
  }
  Ref Uid(std::uint8_t value) {
    Begin();
    out_ += '\x80';
    out_ += static_cast<char>(value);
    return Last();
  }
  Ref Data(std::string_view bytes) {
    Begin();
    AppendHead(0x40, bytes.size());
    out_ += bytes;
    return Last();
  }
  Ref Text(std::string_view utf8);
  Ref Array(std::initializer_list<Ref> items) {
    Begin();
    AppendHead(0xA0, items.size());
    for (const Ref item : items) out_ += static_cast<char>(item);
    return Last();
  }
  Ref Array(const std::vector<Ref>& items) {
    Begin();
    AppendHead(0xA0, items.size());
    for (const Ref item : items) out_ += static_cast<char>(item);
    return Last();
  }
  Ref Dict(const std::vector<std::pair<Ref, Ref>>& items) {
    Begin();
    AppendHead(0xD0, items.size());
    for (const auto& item : items) out_ += static_cast<char>(item.first);
    for (const auto& item : items) out_ += static_cast<char>(item.second);
    return Last();
  }
  std::string Finish(Ref root) &&;

 private:
  void Begin() { offsets_.push_back(out_.size()); }
  Ref Last() const { return static_cast<Ref>(offsets_.size() - 1); }
  void AppendBigEndian(std::uint64_t value, int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
      out_ += static_cast<char>((value >> shift) & 0xFF);
    }
  }
  void AppendHead(unsigned type, std::size_t count) {
    if (count < 15) {
      out_ += static_cast<char>(type | count);
      return;
    }
    out_ += static_cast<char>(type | 15U);
    out_ += '\x12';
    AppendBigEndian(count, 4);
  }

  std::string out_ = "bplist00";
  std::vector<std::size_t> offsets_;
};

// Code units of valid UTF-8; bytes that are none become U+FFFD.
std::vector<std::uint16_t> ToUtf16(std::string_view utf8) {
  std::vector<std::uint16_t> units;
  for (std::size_t i = 0; i < utf8.size();) {
    const unsigned char lead = static_cast<unsigned char>(utf8[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (lead >= 0xF8 || (lead >= 0x80 && lead < 0xC0) || i + length > utf8.size()) {
      units.push_back(0xFFFD);
      ++i;
      continue;
    }
    std::uint32_t code = length == 1 ? lead : lead & (0x7FU >> length);
    for (std::size_t k = 1; k < length; ++k) {
      code = (code << 6) | (static_cast<unsigned char>(utf8[i + k]) & 0x3FU);
    }
    if (code >= 0x10000) {
      units.push_back(static_cast<std::uint16_t>(0xD800 + ((code - 0x10000) >> 10)));
      units.push_back(static_cast<std::uint16_t>(0xDC00 + ((code - 0x10000) & 0x3FF)));
    } else {
      units.push_back(static_cast<std::uint16_t>(code));
    }
    i += length;
  }
  return units;
}

BinaryPlistWriter::Ref BinaryPlistWriter::Text(std::string_view utf8) {
  Begin();
  bool ascii = true;
  for (const char c : utf8) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  if (ascii) {
    AppendHead(0x50, utf8.size());
    out_ += utf8;
    return Last();
  }
  const std::vector<std::uint16_t> units = ToUtf16(utf8);
  AppendHead(0x60, units.size());
  for (const std::uint16_t unit : units) AppendBigEndian(unit, 2);
  return Last();
}

std::string BinaryPlistWriter::Finish(Ref root) && {
  const std::size_t table = out_.size();
  for (const std::size_t offset : offsets_) AppendBigEndian(offset, 4);
  out_.append(6, '\0');
  out_ += '\x04';  // Bytes of an offset.
  out_ += '\x01';  // Bytes of a reference.
  AppendBigEndian(offsets_.size(), 8);
  AppendBigEndian(root, 8);
  AppendBigEndian(table, 8);
  return std::move(out_);
}

// Follows a UID of the archive to the object it names.
PlistView Follow(PlistView objects, PlistView reference) {
  const std::optional<std::uint64_t> uid = reference.AsUid();
  return uid ? objects.At(static_cast<std::size_t>(*uid)) : PlistView();
}

}  // namespace

std::string EncodeMbFile(const MbFile& file) {
  BinaryPlistWriter writer;
  // $objects: 0 $null, 1 the record, 2 the path, 3 its class, then what is there of
  // target, key and the key's class.
  std::uint8_t next = 4;
  std::vector<std::pair<std::uint8_t, std::uint8_t>> record;
  const auto number = [&](std::string_view key, std::uint64_t value) {
    const auto name = writer.Text(key);
    record.emplace_back(name, writer.Integer(value));
  };
  const auto reference = [&](std::string_view key, std::uint8_t uid) {
    const auto name = writer.Text(key);
    record.emplace_back(name, writer.Uid(uid));
  };
  number("LastModified", static_cast<std::uint64_t>(file.modified_unix));
  number("LastStatusChange", static_cast<std::uint64_t>(file.modified_unix));
  number("Birth", static_cast<std::uint64_t>(file.modified_unix));
  number("Flags", 0);
  number("GroupID", 501);
  number("UserID", 501);
  number("Mode", file.mode);
  number("InodeNumber", file.inode);
  number("Size", file.size_bytes);
  number("ProtectionClass", file.protection_class);
  reference("RelativePath", 2);
  reference("$class", 3);
  std::vector<std::uint8_t> extra;
  if (!file.target.empty()) {
    reference("Target", next++);
    extra.push_back(writer.Text(file.target));
  }
  if (!file.encryption_key.empty()) {
    reference("EncryptionKey", next);
    const auto data_key = writer.Text("NS.data");
    const auto data = writer.Data(file.encryption_key);
    const auto class_key = writer.Text("$class");
    const auto class_uid = writer.Uid(static_cast<std::uint8_t>(next + 1));
    extra.push_back(writer.Dict({{data_key, data}, {class_key, class_uid}}));
    const auto name_key = writer.Text("$classname");
    const auto name = writer.Text("NSMutableData");
    const auto chain_key = writer.Text("$classes");
    const auto parent = writer.Text("NSData");
    const auto root_class = writer.Text("NSObject");
    const auto chain = writer.Array({name, parent, root_class});
    extra.push_back(writer.Dict({{name_key, name}, {chain_key, chain}}));
  }
  const auto name_key = writer.Text("$classname");
  const auto name = writer.Text("MBFile");
  const auto chain_key = writer.Text("$classes");
  const auto root_class = writer.Text("NSObject");
  const auto chain = writer.Array({name, root_class});
  const auto mb_class = writer.Dict({{name_key, name}, {chain_key, chain}});
  std::vector<std::uint8_t> objects = {writer.Text("$null"), writer.Dict(record),
                                       writer.Text(file.path), mb_class};
  objects.insert(objects.end(), extra.begin(), extra.end());
  const auto objects_key = writer.Text("$objects");
  const auto objects_ref = writer.Array(objects);
  const auto version_key = writer.Text("$version");
  const auto version = writer.Integer(100000);
  const auto archiver_key = writer.Text("$archiver");
  const auto archiver = writer.Text("NSKeyedArchiver");
  const auto top_key = writer.Text("$top");
  const auto root_key = writer.Text("root");
  const auto root_uid = writer.Uid(1);
  const auto top = writer.Dict({{root_key, root_uid}});
  const auto root = writer.Dict({{version_key, version},
                                 {archiver_key, archiver},
                                 {top_key, top},
                                 {objects_key, objects_ref}});
  return std::move(writer).Finish(root);
}

absl::StatusOr<MbFile> DecodeMbFile(std::string_view archive) {
  MOORING_ASSIGN_OR_RETURN(const Plist plist, Plist::Parse(archive));
  const PlistView objects = plist.Find("$objects");
  const PlistView record = Follow(objects, plist.Find("$top").Find("root"));
  if (!record.IsDict()) return absl::InvalidArgumentError("not an archived MBFile");
  MbFile file;
  file.path = Follow(objects, record.Find("RelativePath")).AsString().value_or("");
  file.target = Follow(objects, record.Find("Target")).AsString().value_or("");
  file.encryption_key =
      Follow(objects, record.Find("EncryptionKey")).Find("NS.data").AsData().value_or("");
  file.size_bytes = record.IntegerOr("Size", 0);
  file.mode = static_cast<std::uint32_t>(record.IntegerOr("Mode", 0));
  file.inode = static_cast<std::uint32_t>(record.IntegerOr("InodeNumber", 0));
  file.modified_unix = static_cast<std::int64_t>(record.IntegerOr("LastModified", 0));
  file.protection_class = static_cast<std::uint8_t>(record.IntegerOr("ProtectionClass", 0));
  return file;
}

}  // namespace mooring::testing
